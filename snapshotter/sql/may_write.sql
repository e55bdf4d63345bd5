-- Whether the user may take on the writer's role.
SELECT EXISTS (
    SELECT FROM pg_roles WHERE rolname = 'checkpoint_writer' AND pg_has_role(oid, 'MEMBER')
)
