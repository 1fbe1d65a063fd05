package evaluator

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"plausible-webhooks/config/event"

	"github.com/jackc/pgx/v5"
)

// delivery is a row of plausible_webhooks.webhook_deliveries to be.
type delivery struct {
	webhook, trigger, site int64
	kind                   event.Type
	key                    string // The same firing always has the same.
	payload                string
	format                 event.Format
}

// commitLimit bounds a transaction: a connection that hangs must not hold the
// row of progress against other sidecars.
const commitLimit = 30 * time.Second

const writeProgress = `insert into plausible_webhooks.evaluation_progress as p (counted_through, version) values (to_timestamp($1), 1)
on conflict (only_row) do update set counted_through = excluded.counted_through, version = p.version + 1 where p.version = $2`

const writeStates = `insert into plausible_webhooks.trigger_states as s (trigger_id, site_id, goal_id, state, version, updated_at)
select n.trigger_id, n.site_id, n.goal_id, n.state::jsonb, n.version + 1, now()
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) as n (trigger_id, site_id, goal_id, state, version)
on conflict (trigger_id, site_id, goal_id) do update
set state = excluded.state, version = excluded.version, updated_at = excluded.updated_at where s.version = excluded.version - 1`

const removeStates = `delete from plausible_webhooks.trigger_states s
using unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) as n (trigger_id, site_id, goal_id, version)
where (s.trigger_id, s.site_id, s.goal_id, s.version) = (n.trigger_id, n.site_id, n.goal_id, n.version)`

// A webhook that was deleted since the view was made gets nothing. One that
// the system has disabled gets its firings recorded for resending.
const writeDeliveries = `insert into plausible_webhooks.webhook_deliveries
(webhook_id, trigger_id, site_id, event_type, event_key, payload, format, status, next_attempt_at, finished_at, last_error)
select w.id, n.trigger_id, n.site_id, n.event_type, n.event_key, n.payload, n.format,
  case when off then 'cancelled' else 'pending' end,
  case when off then null else now() end,
  case when off then now() end,
  case when off then 'the webhook is disabled (' || w.disabled_reason || ')' end
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
  as n (webhook_id, trigger_id, site_id, event_type, event_key, payload, format)
join (select *, not enabled and disabled_reason is not null as off from plausible_webhooks.webhooks) w on w.id = n.webhook_id
on conflict (webhook_id, event_key) do nothing
returning event_type`

// commit writes a draft in one transaction and then makes it the memory. It
// returns how many deliveries of each type are new. After any error the memory must be read
// again: whether a lost connection had committed is unknown.
func (e *Evaluator) commit(ctx context.Context, m *memory, d *draft, at int64) (delivered map[event.Type]int, err error) {
	ctx, cancel := context.WithTimeout(ctx, commitLimit)
	defer cancel()
	err = pgx.BeginFunc(ctx, e.options.DB, func(tx pgx.Tx) error {
		// Progress first: its row makes evaluators take turns.
		if err := e.exactly(ctx, tx, 1, "progress", writeProgress, m.progressTo(d), m.progress.version); err != nil {
			return err
		}
		if err := e.writeStates(ctx, tx, m, d); err != nil {
			return err
		}
		if err := e.removeStates(ctx, tx, m, d); err != nil {
			return err
		}
		delivered, err = e.writeDeliveries(ctx, tx, d.deliveries)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record evaluation: %w", err)
	}
	if err := e.reached("committed"); err != nil {
		return nil, err
	}
	m.apply(d, at)
	return delivered, nil
}

// exactly runs a statement that must touch a number of rows; otherwise another
// sidecar was ahead.
func (e *Evaluator) exactly(ctx context.Context, tx pgx.Tx, want int, point, statement string, arguments ...any) error {
	if err := e.reached(point); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, statement, arguments...)
	if err != nil {
		return fmt.Errorf("write %s: %w", point, err)
	}
	if tag.RowsAffected() != int64(want) {
		return errOvertaken
	}
	return nil
}

// mostStates is how many states one statement writes: the first tick of a large
// instance has some for every goal.
const mostStates = 5000

// states are rows of trigger_states to be.
type states struct {
	triggers, sites, goals, versions []int64
	values                           []string
}

func (s *states) add(key stateKey, version int64, value any) error {
	state, err := json.Marshal(value)
	s.triggers, s.sites, s.goals = append(s.triggers, key.trigger), append(s.sites, key.site), append(s.goals, key.goal)
	s.values, s.versions = append(s.values, string(state)), append(s.versions, version)
	return err
}

func (e *Evaluator) writeStates(ctx context.Context, tx pgx.Tx, m *memory, d *draft) error {
	var batch states
	write := func(atLeast int) error {
		n := len(batch.triggers)
		if n < atLeast {
			return nil
		}
		defer func() { batch = states{} }()
		return e.exactly(ctx, tx, n, "states", writeStates, batch.triggers, batch.sites, batch.goals, batch.values, batch.versions)
	}
	add := func(key stateKey, value any) error {
		if err := batch.add(key, m.version(key), value); err != nil {
			return err
		}
		return write(mostStates)
	}
	for key, s := range d.conditions {
		if err := add(key, s); err != nil {
			return err
		}
	}
	for key, s := range d.goals {
		if err := add(key, s); err != nil {
			return err
		}
	}
	for goal, s := range d.definitions {
		if err := add(stateKey{site: s.site, goal: goal}, s); err != nil {
			return err
		}
	}
	return write(1)
}

func (e *Evaluator) removeStates(ctx context.Context, tx pgx.Tx, m *memory, d *draft) error {
	var triggers, sites, goals, versions []int64
	for key := range d.removed {
		triggers, sites, goals = append(triggers, key.trigger), append(sites, key.site), append(goals, key.goal)
		versions = append(versions, m.version(key))
	}
	if len(triggers) == 0 {
		return nil
	}
	return e.exactly(ctx, tx, len(triggers), "removals", removeStates, triggers, sites, goals, versions)
}

func (e *Evaluator) writeDeliveries(ctx context.Context, tx pgx.Tx, deliveries []delivery) (map[event.Type]int, error) {
	if len(deliveries) == 0 {
		return nil, nil
	}
	if err := e.reached("deliveries"); err != nil {
		return nil, err
	}
	var webhooks, triggers, sites []int64
	var kinds, keys, payloads, formats []string
	for _, n := range deliveries {
		webhooks, triggers, sites = append(webhooks, n.webhook), append(triggers, n.trigger), append(sites, n.site)
		kinds, keys = append(kinds, string(n.kind)), append(keys, n.key)
		payloads, formats = append(payloads, n.payload), append(formats, string(n.format))
	}
	rows, err := tx.Query(ctx, writeDeliveries, webhooks, triggers, sites, kinds, keys, payloads, formats)
	if err != nil {
		return nil, fmt.Errorf("write deliveries: %w", err)
	}
	written := map[event.Type]int{}
	var kind event.Type
	if _, err := pgx.ForEachRow(rows, []any{&kind}, func() error { written[kind]++; return nil }); err != nil {
		return nil, fmt.Errorf("write deliveries: %w", err)
	}
	return written, nil
}
