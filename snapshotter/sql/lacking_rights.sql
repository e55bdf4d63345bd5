-- What the archive's roles, as far as there are any, lack of their rights in this log's schema: the
-- role, the right, the statement that gives it, and whether the user may take on the role.
WITH right_of (role, object, privilege) AS (
    SELECT role, object, 'SELECT'
    FROM unnest(ARRAY['checkpoint_writer', 'checkpoint_reader']) AS role,
         unnest(ARRAY['migration', 'log', 'event', 'position', 'dead_letter', 'restoration',
                      'pipeline', 'payload']) AS object
    UNION ALL
    SELECT 'checkpoint_writer', object, 'INSERT'
    FROM unnest(ARRAY['log', 'event', 'position', 'dead_letter', 'restoration', 'pipeline'])
         AS object
    UNION ALL
    VALUES ('checkpoint_writer', 'position', 'UPDATE'),
           ('checkpoint_writer', 'pipeline', 'UPDATE'),
           ('checkpoint_writer', 'dead_letter', 'UPDATE'),
           ('checkpoint_writer', 'dead_letter', 'DELETE')
), lacking (role, privilege, object) AS (
    SELECT role, privilege, format('%I.%I', nspname, relname)
    FROM right_of
    JOIN pg_roles ON rolname = role
    JOIN pg_namespace ON nspname = current_setting('checkpoint.namespace')
    JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = object
    WHERE NOT has_table_privilege(pg_roles.oid, pg_class.oid, privilege)
    UNION ALL
    SELECT rolname, 'USAGE', format('SCHEMA %I', nspname)
    FROM pg_roles, pg_namespace
    WHERE rolname IN ('checkpoint_writer', 'checkpoint_reader')
      AND nspname = current_setting('checkpoint.namespace')
      AND NOT has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'USAGE')
)
SELECT role, format('%s ON %s', privilege, object),
       format('GRANT %s ON %s TO %I', privilege, object, role),
       pg_has_role(session_user, role, 'MEMBER')
FROM lacking
ORDER BY role, object, privilege
