SELECT name, stages
FROM pipeline
