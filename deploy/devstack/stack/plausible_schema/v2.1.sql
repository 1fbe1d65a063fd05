-- Plausible CE v2.1.4: the tables that the product reads, and those that tell
-- who may see a site. Types, defaults and keys are Plausible's; tables it has
-- beyond these are left out, but for two that a careless publication would
-- drag in (oban_jobs, and a table without primary key).

create extension if not exists citext;

create type site_membership_role as enum ('owner', 'admin', 'viewer');

create table sites (
  id bigserial primary key,
  domain varchar(255) not null,
  inserted_at timestamp(0) not null,
  updated_at timestamp(0) not null,
  timezone varchar(255) not null,
  public boolean not null default false,
  locked boolean not null default false,
  has_stats boolean not null default false,
  imported_data jsonb,
  stats_start_date date,
  ingest_rate_limit_scale_seconds integer not null default 60,
  ingest_rate_limit_threshold integer,
  native_stats_start_at timestamp(0) not null default now(),
  domain_changed_from varchar(255),
  domain_changed_at timestamp(0),
  allowed_event_props varchar(300)[],
  conversions_enabled boolean not null default true,
  funnels_enabled boolean not null default true,
  props_enabled boolean not null default true,
  accept_traffic_until timestamp(0),
  installation_meta jsonb
);

create unique index sites_domain_index on sites (domain);
create unique index sites_domain_changed_from_index on sites (domain_changed_from);

-- A domain that a site has just left stays reserved for the site that left it,
-- since both domains take events for a while.
create function check_domain() returns trigger language plpgsql as $$
begin
  perform from sites
    where (domain_changed_from = new.domain and id <> new.id)
       or (tg_op = 'INSERT' and domain = new.domain_changed_from);
  if found then
    raise unique_violation using constraint = 'domain_change_disallowed';
  end if;
  return new;
end
$$;

create trigger check_domain_trigger before insert or update on sites
  for each row execute function check_domain();

create table goals (
  id bigserial primary key,
  event_name text,
  page_path text,
  inserted_at timestamp(0) not null,
  updated_at timestamp(0) not null,
  site_id bigint not null references sites on delete cascade,
  currency varchar(3),
  display_name text not null
);

alter table goals add constraint check_event_name_or_page_path
  check ((event_name is null) <> (page_path is null)) not valid;
create unique index goals_display_name_unique on goals (site_id, display_name);
create unique index goals_event_config_unique on goals (site_id, event_name)
  where event_name is not null;
create unique index goals_page_config_unique on goals (site_id, page_path)
  where page_path is not null;

create table spike_notifications (
  id bigserial primary key,
  site_id bigint not null references sites on delete cascade,
  threshold integer not null,
  last_sent timestamp(0),
  recipients citext[] not null default array[]::citext[],
  inserted_at timestamp(0) not null,
  updated_at timestamp(0) not null,
  type varchar(255) default 'spike'
);

create unique index spike_notifications_site_id_type_index on spike_notifications (site_id, type);

create table users (
  id bigserial primary key,
  email citext not null,
  inserted_at timestamp(0) not null,
  updated_at timestamp(0) not null,
  name varchar(255),
  last_seen timestamp(0) default now(),
  password_hash varchar(255),
  trial_expiry_date date,
  email_verified boolean not null default false,
  theme varchar(255) default 'system',
  grace_period jsonb,
  previous_email citext,
  totp_secret bytea,
  totp_enabled boolean not null default false,
  totp_last_used_at timestamp(0),
  allow_next_upgrade_override boolean not null default false,
  totp_token varchar(255),
  accept_traffic_until date,
  notes text
);

create unique index users_email_index on users (email);

create table user_sessions (
  id bigserial primary key,
  user_id bigint not null references users on delete cascade,
  token bytea not null,
  device varchar(255) not null,
  last_used_at timestamp(0) not null,
  timeout_at timestamp(0) not null,
  inserted_at timestamp(0) not null
);

create unique index user_sessions_token_index on user_sessions (token);

create table site_memberships (
  id bigserial primary key,
  site_id bigint not null references sites on delete cascade,
  user_id bigint not null references users on delete cascade,
  inserted_at timestamp(0) not null,
  updated_at timestamp(0) not null,
  role site_membership_role not null default 'owner'
);

create unique index site_memberships_site_id_user_id_index on site_memberships (site_id, user_id);

create table email_verification_codes (
  code integer not null,
  user_id bigint references users on delete cascade,
  issued_at timestamp(0)
);

-- The busiest table of a small instance, and none of the product's business.
create type oban_job_state as enum
  ('available', 'scheduled', 'executing', 'retryable', 'completed', 'discarded', 'cancelled');

create table oban_jobs (
  id bigserial primary key,
  state oban_job_state not null default 'available',
  queue text not null default 'default',
  worker text not null,
  args jsonb not null default '{}',
  attempt integer not null default 0,
  max_attempts integer not null default 20,
  inserted_at timestamp not null default timezone('UTC', now()),
  scheduled_at timestamp not null default timezone('UTC', now()),
  attempted_at timestamp,
  completed_at timestamp
);
