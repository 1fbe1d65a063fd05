-- A role for plausible-webhooks that can do just what it needs. For a superuser
-- of PostgreSQL, in Plausible's own database. Running it again does no harm; it
-- sets the password that was printed along with it.
BEGIN;
SET LOCAL lock_timeout = '5s';

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {{.RoleText}}) THEN
    CREATE ROLE {{.Role}};
  ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = {{.RoleText}} AND (rolsuper OR rolcreaterole OR rolcreatedb))
     OR EXISTS (SELECT FROM pg_class WHERE oid = to_regclass({{.FirstTable}}) AND relowner = {{.RoleText}}::regrole) THEN
    RAISE EXCEPTION 'role % is another one, and can do more: choose a new name with --role', {{.RoleText}};
  END IF;
END
$$;
{{if .Replicates -}}
-- REPLICATION lets it follow changes. It is more than the grants below say: who
-- has it can read every change of the whole server from then on. Print this
-- again with WEBHOOKS_CONFIG_SOURCE=poll set, and keep that set for the
-- sidecar, to do without.
{{end -}}
ALTER ROLE {{.Role}} LOGIN {{if .Replicates}}REPLICATION{{else}}NOREPLICATION{{end}}
  PASSWORD {{.Verifier}};

-- What it may read of Plausible: whole tables, since Plausible's migrations
-- drop columns and add them again.
GRANT CONNECT ON DATABASE {{.Database}} TO {{.Role}};
GRANT USAGE ON SCHEMA public TO {{.Role}};
GRANT SELECT ON {{.Tables}} TO {{.Role}};

-- Its own schema, with whatever is in it already: it brings the tables up to
-- date by itself.
CREATE SCHEMA IF NOT EXISTS {{.Schema}};
ALTER SCHEMA {{.Schema}} OWNER TO {{.Role}};
DO $$
DECLARE
  statement text;
BEGIN
  FOR statement IN
    SELECT format('ALTER TABLE %s OWNER TO {{.Role}}', oid::regclass)
    FROM pg_class WHERE relnamespace = '{{.Schema}}'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO {{.Role}}', oid::regprocedure)
    FROM pg_proc WHERE pronamespace = '{{.Schema}}'::regnamespace
  LOOP
    EXECUTE statement;
  END LOOP;
END
$$;
{{if .Replicates}}
-- The publication. Plausible's tables can be added by their owner alone; its
-- own tables the role adds itself.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = '{{.Publication}}') THEN
    CREATE PUBLICATION {{.Publication}} FOR TABLE {{.Tables}};
  END IF;
END
$$;
ALTER PUBLICATION {{.Publication}} OWNER TO {{.Role}};
{{end -}}
COMMIT;
