-- Append-only by grant: the writer may add events but never change or remove one. Where the user may
-- not create roles, an administrator does, before or after: see lacking_rights.sql.
DO $$
DECLARE
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
    END LOOP;
END
$$;
