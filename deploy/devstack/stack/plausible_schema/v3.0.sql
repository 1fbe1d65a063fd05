-- What Plausible CE v3.0 changed: teams own sites, and goals know how far a
-- page was scrolled. The older tables of membership stay, but are not read.

create table teams (
  id bigserial primary key,
  name varchar(255) not null,
  trial_expiry_date date,
  accept_traffic_until date,
  allow_next_upgrade_override boolean not null default false,
  grace_period jsonb,
  setup_complete boolean not null default false,
  setup_at timestamp(0),
  identifier uuid not null default gen_random_uuid(),
  notes text,
  hourly_api_request_limit integer not null default 600,
  locked boolean not null default false,
  locked_by_admin boolean not null default false,
  policy jsonb not null default '{}',
  inserted_at timestamp(0) not null,
  updated_at timestamp(0) not null
);

create unique index teams_identifier_index on teams (identifier);

alter table sites add column team_id bigint references teams on delete set null;
create index sites_team_id_index on sites (team_id);

create table team_memberships (
  id bigserial primary key,
  role varchar(255) not null,
  user_id bigint not null references users on delete cascade,
  team_id bigint not null references teams on delete cascade,
  is_autocreated boolean not null default false,
  inserted_at timestamp(0) not null,
  updated_at timestamp(0) not null
);

create unique index team_memberships_team_id_user_id_index on team_memberships (team_id, user_id);
create unique index one_autocreated_owner_per_user on team_memberships (user_id)
  where role = 'owner' and is_autocreated;

create table guest_memberships (
  id bigserial primary key,
  role varchar(255) not null,
  team_membership_id bigint not null references team_memberships on delete cascade,
  site_id bigint not null references sites on delete cascade,
  inserted_at timestamp(0) not null,
  updated_at timestamp(0) not null
);

create unique index guest_memberships_team_membership_id_site_id_index
  on guest_memberships (team_membership_id, site_id);

alter table users add column last_team_identifier bytea;

alter table goals add column scroll_threshold smallint not null default -1;
drop index goals_page_config_unique;
create unique index goals_page_config_unique on goals (site_id, page_path, scroll_threshold)
  where page_path is not null;
