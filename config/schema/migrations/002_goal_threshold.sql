-- Triggers of the type goal.threshold: a goal completed so many times within
-- the window. Unlike traffic, a goal has no setting in Plausible to take a
-- threshold from, so that one is required.

-- ALTER TABLE waits for whoever reads the table, a dump for example, and makes
-- everyone after it wait as well. It rather gives up soon, though later than
-- PostgreSQL takes to cancel an autovacuum that stands in the way (1 s): the
-- process that migrates tries again. Both constraints go into one statement, so that the
-- table, which is small, is locked and read once.
set local lock_timeout = '2s';

alter table plausible_webhooks.webhook_triggers
  drop constraint webhook_triggers_type_known,
  add constraint webhook_triggers_type_known
    check (type in ('traffic.spike', 'traffic.drop', 'goal.completed', 'goal.threshold')),
  add constraint webhook_triggers_goal_threshold_needs_threshold
    check (type <> 'goal.threshold' or threshold is not null);
