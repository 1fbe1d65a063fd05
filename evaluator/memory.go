package evaluator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// stateKey is the primary key of plausible_webhooks.trigger_states. Goal zero:
// a traffic trigger. Trigger zero: the definition of a goal, which all triggers
// share.
type stateKey struct{ trigger, site, goal int64 }

// stored is a value with the version of its row; zero: there is no row.
type stored[T any] struct {
	value   T
	version int64
	updated int64 // Unix seconds.
}

// memory is what the database holds of evaluation, as last read or written.
type memory struct {
	conditions  map[stateKey]stored[conditionState]
	goals       map[stateKey]stored[goalState]
	definitions map[int64]stored[definition] // By goal.

	open    map[stateKey]bool // Conditions with an episode.
	counted map[stateKey]bool // Goal states with seconds that may be read again.
	waiting map[stateKey]bool // Goal states with completions not told yet.
	stale   map[stateKey]bool // Scroll goals with days to be counted again.

	progress progress
}

// progress is the row of plausible_webhooks.evaluation_progress.
type progress struct {
	through int64 // Everything up to this second is counted for ever.
	version int64 // Zero: there is no row yet.
}

func newMemory() *memory {
	return &memory{
		conditions:  map[stateKey]stored[conditionState]{},
		goals:       map[stateKey]stored[goalState]{},
		definitions: map[int64]stored[definition]{},
		open:        map[stateKey]bool{},
		counted:     map[stateKey]bool{},
		waiting:     map[stateKey]bool{},
		stale:       map[stateKey]bool{},
	}
}

// loadLimit bounds reading everything: a connection of the pool that a firewall
// has forgotten must not keep the leader from evaluating. A million states take
// a few seconds.
const loadLimit = time.Minute

// load reads everything in one statement and therefore in one snapshot.
func load(ctx context.Context, db *pgxpool.Pool) (*memory, error) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	m := newMemory()
	rows, err := db.Query(ctx, `select trigger_id, site_id, goal_id, state::text, version, extract(epoch from updated_at)::bigint from plausible_webhooks.trigger_states
union all
select -1, 0, 0, extract(epoch from counted_through)::bigint::text, version, 0 from plausible_webhooks.evaluation_progress`)
	if err != nil {
		return nil, fmt.Errorf("read evaluation states: %w", err)
	}
	var key stateKey
	var state []byte
	var version, updated int64
	_, err = pgx.ForEachRow(rows, []any{&key.trigger, &key.site, &key.goal, &state, &version, &updated}, func() error {
		switch {
		case key.trigger == -1:
			m.progress.version = version
			return json.Unmarshal(state, &m.progress.through)
		case key.trigger == 0:
			var was definition
			err := decode(&was, key, state)
			was.site = key.site
			m.definitions[key.goal] = stored[definition]{was, version, updated}
			return err
		case key.goal != 0 && !isCondition(state):
			defer m.index(key)
			return remember(m.goals, key, state, version, updated)
		default:
			defer m.index(key)
			return remember(m.conditions, key, state, version, updated)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read evaluation states: %w", err)
	}
	return m, nil
}

// isCondition tells the two kinds of states of a goal apart: only a condition
// names its type.
func isCondition(state []byte) bool {
	var kind struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(state, &kind) == nil && kind.Type != "" // What is no JSON fails again, with its key.
}

func remember[T any](states map[stateKey]stored[T], key stateKey, state []byte, version, updated int64) error {
	var value T
	err := decode(&value, key, state)
	states[key] = stored[T]{value, version, updated}
	return err
}

func decode(value any, key stateKey, state []byte) error {
	if err := json.Unmarshal(state, value); err != nil {
		return fmt.Errorf("state of trigger %d, site %d, goal %d: %w", key.trigger, key.site, key.goal, err)
	}
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
	g := m.goals[key].value
	set(m.open, m.conditions[key].value.Episode != nil)
	set(m.counted, len(g.Counted) > 0)
	set(m.waiting, !g.Waiting.IsZero())
	set(m.stale, len(g.Stale) > 0)
}

// draft is what an evaluation wants to change. What a later part of a tick
// says of a key replaces what an earlier one did.
type draft struct {
	conditions  map[stateKey]conditionState
	goals       map[stateKey]goalState
	definitions map[int64]definition // By goal.
	removed     map[stateKey]bool
	deliveries  []delivery
	through     int64 // New progress; zero: none.
	back        bool  // Progress goes back, with the clock of ClickHouse.
}

func newDraft() *draft {
	return &draft{
		conditions:  map[stateKey]conditionState{},
		goals:       map[stateKey]goalState{},
		definitions: map[int64]definition{},
		removed:     map[stateKey]bool{},
	}
}

func (d *draft) join(other *draft) {
	maps.Copy(d.conditions, other.conditions)
	maps.Copy(d.goals, other.goals)
	maps.Copy(d.definitions, other.definitions)
	maps.Copy(d.removed, other.removed)
	d.deliveries = append(d.deliveries, other.deliveries...)
	d.through = max(d.through, other.through)
	d.back = d.back || other.back
}

// goal returns the state of a goal as the draft leaves it.
func (d *draft) goal(m *memory, key stateKey) goalState {
	if s, changed := d.goals[key]; changed {
		return s
	}
	return m.goals[key].value
}

// version of the row of a key.
func (m *memory) version(key stateKey) int64 {
	if key.trigger == 0 {
		return m.definitions[key.goal].version
	}
	return max(m.conditions[key].version, m.goals[key].version)
}

// progressTo is the progress that a draft leads to.
func (m *memory) progressTo(d *draft) int64 {
	if d.back {
		return d.through
	}
	return max(m.progress.through, d.through)
}

// apply makes a committed draft the memory. A trigger whose type was changed
// has a state of another kind under the same key from then on.
func (m *memory) apply(d *draft, at int64) {
	for key := range d.removed {
		if key.trigger == 0 {
			delete(m.definitions, key.goal)
			continue
		}
		delete(m.conditions, key)
		delete(m.goals, key)
		m.index(key)
	}
	for key, s := range d.conditions {
		version := m.version(key) + 1
		delete(m.goals, key)
		m.conditions[key] = stored[conditionState]{s, version, at}
		m.index(key)
	}
	for key, s := range d.goals {
		version := m.version(key) + 1
		delete(m.conditions, key)
		m.goals[key] = stored[goalState]{s, version, at}
		m.index(key)
	}
	for goal, s := range d.definitions {
		m.definitions[goal] = stored[definition]{s, m.definitions[goal].version + 1, at}
	}
	m.progress.through = m.progressTo(d)
	m.progress.version++
}

// errOvertaken says that another sidecar has evaluated meanwhile.
var errOvertaken = errors.New("another sidecar has evaluated meanwhile")
