-- Append-only by grant: the writer may add events but never change or remove one. It runs after
-- every migration. Where the user may not create roles, an administrator creates them before.
DO $$
DECLARE
    path text := current_setting('checkpoint.namespace');
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['checkpoint_writer', 'checkpoint_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
                EXECUTE format('GRANT %I TO CURRENT_USER', role);
            EXCEPTION
                WHEN insufficient_privilege THEN RETURN;
                WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', path, role);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', path, role);
    END LOOP;
    GRANT INSERT ON event, dead_letter, log, position, restoration TO checkpoint_writer;
    GRANT UPDATE ON position TO checkpoint_writer;
    GRANT INSERT, UPDATE ON pipeline TO checkpoint_writer;
    GRANT UPDATE, DELETE ON dead_letter TO checkpoint_writer;
END
$$;
