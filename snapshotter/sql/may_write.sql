SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s AND pg_has_role(rolname, 'MEMBER'))
