-- What Plausible CE changed from v3.0 to v3.2: goals with properties, and
-- consolidated sites, which stand for all sites of a team.

alter table sites add column legacy_time_on_page_cutoff date default '1970-01-01';
alter table sites add column consolidated boolean not null default false;

-- Plausible takes this way too: two of its migrations, two days apart, add the
-- column, drop it, and add it again. Followers must stand it.
alter table goals add column custom_props jsonb;
alter table goals drop column custom_props;
alter table goals add column custom_props jsonb not null default '{}';

drop index goals_event_config_unique;
create unique index goals_event_config_unique on goals (site_id, event_name, custom_props)
  where event_name is not null;
