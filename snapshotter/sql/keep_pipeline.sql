INSERT INTO pipeline (name, stages)
VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET stages = excluded.stages
WHERE pipeline.stages <> excluded.stages
