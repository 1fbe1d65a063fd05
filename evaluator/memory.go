package evaluator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// stateKey is the primary key of plausible_webhooks.trigger_states. Goal zero:
// a traffic trigger. Trigger zero: the definition of a goal, which all
// triggers share.
type stateKey struct{ trigger, site, goal int64 }

// stored is a value with the version of its row; zero: there is no row.
type stored[T any] struct {
	value   T
	version int64
	updated time.Time
}

// memory is what the database holds of evaluation, as last read or written.
type memory struct {
	traffic     map[stateKey]stored[trafficState]
	goals       map[stateKey]stored[goalState]
	definitions map[stateKey]stored[definition]

	open    map[stateKey]bool // Traffic states with an episode.
	counted map[stateKey]bool // Goal states with seconds that may be read again.
	waiting map[stateKey]bool // Goal states with completions not told yet.

	progress progress
}

// progress is the row of plausible_webhooks.evaluation_progress.
type progress struct {
	through int64 // Everything up to this second is counted for ever.
	version int64 // Zero: there is no row yet.
}

func newMemory() *memory {
	return &memory{
		traffic:     map[stateKey]stored[trafficState]{},
		goals:       map[stateKey]stored[goalState]{},
		definitions: map[stateKey]stored[definition]{},
		open:        map[stateKey]bool{},
		counted:     map[stateKey]bool{},
		waiting:     map[stateKey]bool{},
	}
}

// load reads everything in one statement and therefore in one snapshot.
func load(ctx context.Context, db *pgxpool.Pool) (*memory, error) {
	m := newMemory()
	rows, err := db.Query(ctx, `select trigger_id, site_id, goal_id, state::text, version, updated_at from plausible_webhooks.trigger_states
union all
select -1, 0, 0, extract(epoch from counted_through)::bigint::text, version, now() from plausible_webhooks.evaluation_progress`)
	if err != nil {
		return nil, fmt.Errorf("read evaluation states: %w", err)
	}
	var key stateKey
	var state []byte
	var version int64
	var updated time.Time
	_, err = pgx.ForEachRow(rows, []any{&key.trigger, &key.site, &key.goal, &state, &version, &updated}, func() error {
		switch {
		case key.trigger == -1:
			m.progress.version = version
			return json.Unmarshal(state, &m.progress.through)
		case key.trigger == 0:
			return remember(m.definitions, key, state, version, updated)
		case key.goal != 0:
			defer m.index(key)
			return remember(m.goals, key, state, version, updated)
		default:
			defer m.index(key)
			return remember(m.traffic, key, state, version, updated)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read evaluation states: %w", err)
	}
	return m, nil
}

func remember[T any](states map[stateKey]stored[T], key stateKey, state []byte, version int64, updated time.Time) error {
	var value T
	if err := json.Unmarshal(state, &value); err != nil {
		return fmt.Errorf("state of trigger %d, site %d, goal %d: %w", key.trigger, key.site, key.goal, err)
	}
	states[key] = stored[T]{value, version, updated}
	return nil
}

// index brings the sets in step with a state.
func (m *memory) index(key stateKey) {
	set := func(keys map[stateKey]bool, member bool) {
		if member {
			keys[key] = true
		} else {
			delete(keys, key)
		}
	}
	set(m.open, m.traffic[key].value.Episode != nil)
	set(m.counted, len(m.goals[key].value.Counted) > 0)
	set(m.waiting, !m.goals[key].value.Waiting.IsZero())
}

// draft is what an evaluation wants to change. Keys of the parts of one tick
// do not overlap.
type draft struct {
	traffic     map[stateKey]trafficState
	goals       map[stateKey]goalState
	definitions map[stateKey]definition
	removed     map[stateKey]bool
	deliveries  []delivery
	through     int64 // New progress; zero: none.
}

func newDraft() *draft {
	return &draft{
		traffic:     map[stateKey]trafficState{},
		goals:       map[stateKey]goalState{},
		definitions: map[stateKey]definition{},
		removed:     map[stateKey]bool{},
	}
}

func (d *draft) join(other *draft) {
	for key, s := range other.traffic {
		d.traffic[key] = s
	}
	for key, s := range other.goals {
		d.goals[key] = s
	}
	for key, s := range other.definitions {
		d.definitions[key] = s
	}
	for key := range other.removed {
		d.removed[key] = true
	}
	d.deliveries = append(d.deliveries, other.deliveries...)
	d.through = max(d.through, other.through)
}

// version of the row of a key.
func (m *memory) version(key stateKey) int64 {
	return max(m.traffic[key].version, m.goals[key].version, m.definitions[key].version)
}

// apply makes a committed draft the memory.
func (m *memory) apply(d *draft, at time.Time) {
	for key := range d.removed {
		delete(m.traffic, key)
		delete(m.goals, key)
		delete(m.definitions, key)
		m.index(key)
	}
	for key, s := range d.traffic {
		m.traffic[key] = stored[trafficState]{s, m.traffic[key].version + 1, at}
		m.index(key)
	}
	for key, s := range d.goals {
		m.goals[key] = stored[goalState]{s, m.goals[key].version + 1, at}
		m.index(key)
	}
	for key, s := range d.definitions {
		m.definitions[key] = stored[definition]{s, m.definitions[key].version + 1, at}
	}
	m.progress.version++
	m.progress.through = max(m.progress.through, d.through)
}

// errOvertaken says that another sidecar has evaluated meanwhile.
var errOvertaken = errors.New("another sidecar has evaluated meanwhile")
