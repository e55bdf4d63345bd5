-- The pipelines that managers have declared, for who looks at jobs while Redis is away, and to give
-- back to a Redis that has lost its data.
CREATE TABLE pipeline (
    name   text PRIMARY KEY,
    stages text[] NOT NULL
);
