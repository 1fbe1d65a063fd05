package evaluator

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"plausible-webhooks/config/event"

	"github.com/google/uuid"
)

// observation is one answer of ClickHouse, judged for one rule.
type observation struct {
	value int
	// mayFire: the condition may begin or repeat an event. It is false for a
	// drop of a site that had nothing to lose in the days before.
	mayFire bool
}

// subject is what a rule is evaluated on, as its events name it.
type subject struct {
	site   int64
	domain string
	goal   event.Goal // Zero: traffic.
}

// episodeRun is one stretch of time during which a condition holds.
type episodeRun struct {
	ID      string `json:"id"`
	Started int64  `json:"started"`
	Peak    int    `json:"peak"`
	Firings int    `json:"firings"`         // Sent so far; zero while a cooldown keeps the episode quiet.
	Below   int    `json:"below,omitempty"` // Evaluations in a row that found the condition false.
	// What applied when the condition was last true: it tells a change from a
	// recovery, and the end of an episode is told with it when the trigger is
	// gone.
	Threshold int    `json:"threshold"`
	Window    int    `json:"window"`
	Cooldown  int    `json:"cooldown"`
	Recovery  bool   `json:"recovery,omitempty"`
	Webhook   int64  `json:"webhook"`
	Domain    string `json:"domain"`

	Goal     string `json:"goal,omitempty"` // Its name; empty: traffic.
	GoalKind string `json:"goal_kind,omitempty"`
}

// conditionState is what a trigger with a threshold remembers of a site, or of
// one of its goals. The zero value is that of a trigger that has never fired.
type conditionState struct {
	Type    event.Type  `json:"type"`
	Start   int64       `json:"start"`             // rule.start that the state belongs to.
	Fired   int64       `json:"fired,omitempty"`   // The last firing; zero: never.
	Episode *episodeRun `json:"episode,omitempty"` // Nil: the condition does not hold.
	Begun   int64       `json:"begun,omitempty"`   // Episodes since the start; several may begin in one second.
}

// firing is an event that a transition asks for.
type firing struct {
	kind    event.Type
	episode episodeRun // As of the firing.
	ended   bool
	reason  event.Reason // Of an end.
	value   int
	counted bool // False: nothing is counted any more, and value means nothing.
}

// evaluationsToRecover is how many evaluations in a row must find the
// condition false before an episode is over (deploy/REFERENCE.md section 5).
const evaluationsToRecover = 2

// next is the transition of a trigger with a threshold on one subject. Its
// table is in episode_test.go. It changes nothing that s refers to.
func next(s conditionState, r rule, of subject, seen observation, now int64) (conditionState, []firing) {
	var firings []firing
	s.Fired = min(s.Fired, now) // The clock went back: a cooldown is never longer than itself.
	holds := r.holds(seen.value)
	if s.Type != r.kind || s.Start != r.start {
		// Another type, or enabled again: what was before is over.
		_, firings = end(s, event.Changed)
		s = conditionState{Type: r.kind, Start: r.start}
	}
	if s.Episode == nil {
		if !holds || !seen.mayFire {
			return s, firings
		}
		s.Begun++
		s.Episode = &episodeRun{ID: episodeID(r, of, s.Begun, now), Started: now}
	} else {
		running := *s.Episode
		s.Episode = &running
	}
	e := s.Episode
	e.Peak = max(e.Peak, seen.value)
	e.Recovery, e.Cooldown, e.Webhook, e.Domain = r.recovery, r.cooldown, r.webhook, of.domain
	e.Goal, e.GoalKind = of.goal.Name, of.goal.Kind
	if !holds {
		e.Below++
		switch {
		case edited(*e, r, seen.value):
			s, ended := finish(s, event.Changed, &seen.value)
			return s, append(firings, ended...)
		case e.Below >= evaluationsToRecover:
			s, ended := finish(s, event.Recovered, &seen.value)
			return s, append(firings, ended...)
		}
		return s, firings
	}
	e.Below, e.Threshold, e.Window = 0, r.threshold, r.window
	cooled := s.Fired == 0 || now-s.Fired >= int64(r.cooldown)
	if seen.mayFire && cooled && (e.Firings == 0 || r.repeat) {
		s.Fired = now
		e.Firings++
		firings = append(firings, firing{kind: s.Type, value: seen.value, counted: true, episode: *e})
	}
	return s, firings
}

// end closes the episode of a trigger that no longer applies.
func end(s conditionState, reason event.Reason) (conditionState, []firing) {
	if s.Episode == nil {
		return s, nil
	}
	return finish(s, reason, nil)
}

// finish closes the episode. Its end is told only where its beginning was.
func finish(s conditionState, reason event.Reason, value *int) (conditionState, []firing) {
	e := *s.Episode
	s.Episode = nil
	if e.Firings == 0 || !e.Recovery {
		return s, nil
	}
	f := firing{kind: s.Type, episode: e, ended: true, reason: reason}
	if value != nil {
		f.value, f.counted = *value, true
	}
	return s, []firing{f}
}

// edited reports whether the condition would still hold as it was set when it
// last held: then it ended because someone changed it.
func edited(e episodeRun, r rule, value int) bool {
	if e.Window != 0 && e.Window != r.window {
		return true
	}
	if e.Threshold == 0 || e.Threshold == r.threshold {
		return false
	}
	return conditionHolds(r.kind, value, e.Threshold)
}

// episodeID is a version 7 UUID whose random part is derived, so that two
// sidecars that see the same beginning name it alike, and two episodes that
// begin in one second are told apart.
func episodeID(r rule, of subject, number, started int64) string {
	parts := []int64{r.trigger, of.site, started, of.goal.ID, r.start, number}
	seed := make([]byte, 8*len(parts))
	for i, n := range parts {
		binary.BigEndian.PutUint64(seed[8*i:], uint64(n))
	}
	sum := sha256.Sum256(seed)
	var id uuid.UUID
	copy(id[:], sum[:])
	millis := uint64(started) * uint64(time.Second/time.Millisecond)
	for i := range 6 {
		id[i] = byte(millis >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}
