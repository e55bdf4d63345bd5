-- Everything a migration needs before its first statement. A schema that an administrator has made
-- is taken as it is: CREATE SCHEMA would ask for a right on the database even then.
DO $$
DECLARE
    path text := current_setting('checkpoint.namespace');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = path) THEN
        EXECUTE format('CREATE SCHEMA %I', path);
    END IF;
END
$$;
CREATE TABLE IF NOT EXISTS migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
