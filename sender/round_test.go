package sender

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// freely grants every wait.
type freely struct{ waiting int }

func (f *freely) beginWait(*delivery) bool { f.waiting++; return true }
func (f *freely) endWait(*delivery)        { f.waiting-- }

type never struct{}

func (never) beginWait(*delivery) bool { return false }
func (never) endWait(*delivery)        {}

// script is a round whose attempts have given outcomes, with no receiver and
// no table.
type script struct {
	round
	times    []time.Duration // Of the attempts, since the start.
	verdicts []verdict
	kept     []bool
}

func newScript(stop context.Context, o Options, d *delivery, outcomes ...outcome) *script {
	began := time.Now()
	s := &script{}
	s.round = round{
		options: o.filled(), delivery: d, stop: stop, waits: &freely{},
		attempt: func(*http.Request, *delivery) (outcome, error) {
			if len(outcomes) == 0 {
				return outcome{}, errNotOurs
			}
			s.times = append(s.times, time.Since(began))
			d.attempts++
			next := outcomes[0]
			outcomes = outcomes[1:]
			return next, nil
		},
		record: func(_ *delivery, _ outcome, v verdict, keep bool) error {
			s.verdicts, s.kept = append(s.verdicts, v), append(s.kept, keep)
			return nil
		},
	}
	return s
}

func seconds(all ...int) (times []time.Duration) {
	for _, n := range all {
		times = append(times, time.Duration(n)*time.Second)
	}
	return times
}

func TestRoundSpacing(t *testing.T) {
	bad := status(500)
	for _, test := range []struct {
		name     string
		delivery delivery
		outcomes []outcome
		times    []time.Duration
		last     ending
	}{
		{"fails three times, then accepts", delivery{}, []outcome{bad, bad, bad, status(200)}, seconds(0, 1, 3, 7), delivered},
		{"always fails", delivery{}, []outcome{bad, bad, bad, bad, bad}, seconds(0, 1, 3, 7), failed},
		{"no answers", delivery{}, []outcome{{}, {}, {}, {}, {}}, seconds(0, 1, 3, 7), failed},
		{"accepted at once", delivery{}, []outcome{status(200), bad}, seconds(0), delivered},
		{"refused", delivery{}, []outcome{{hopeless: true}, bad}, seconds(0), failed},
		{"resumed after two", delivery{attempts: 7, roundAttempts: 2}, []outcome{bad, bad, bad}, seconds(0, 4), failed},
		{"resumed after all", delivery{attempts: 7, roundAttempts: 4}, []outcome{bad, bad}, seconds(0), failed},
		{"asked to wait", delivery{}, []outcome{{status: 503, answered: true, retryAfter: "9"}, bad, status(200)}, seconds(0, 9, 11), delivered},
		{"redirects", delivery{}, []outcome{status(302), status(307), status(200)}, seconds(0, 1, 3), delivered},
		{"final 1xx", delivery{}, []outcome{status(101), status(103), status(200)}, seconds(0, 1, 3), delivered},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t.Context(), Defaults(), &test.delivery, test.outcomes...)
				s.run()
				if diff := cmp.Diff(test.times, s.times); diff != "" {
					t.Error(diff)
				}
				if s.verdict.ending != test.last || !s.released || s.waits.(*freely).waiting != 0 {
					t.Errorf("got %+v, released %t, want %s and nothing held", s.verdict, s.released, test.last)
				}
			})
		})
	}
}

func TestRoundStopsInAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		s := newScript(stop, Defaults(), &delivery{}, status(500), status(500), status(500))
		began := time.Now()
		s.run()
		if got := time.Since(began); got != 1500*time.Millisecond || len(s.times) != 2 {
			t.Errorf("stopped after %s and %d attempts, want at once, in the second wait", got, len(s.times))
		}
		if s.released || s.delivery.roundAttempts != 2 || s.waits.(*freely).waiting != 0 {
			t.Errorf("got %+v, want the claim still to be given back after two attempts", s.delivery)
		}
	})
}

func TestLongWaitsGoToTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := outcome{status: 429, answered: true, retryAfter: "60"}
		s := newScript(t.Context(), Defaults(), &delivery{}, long, status(200))
		s.run()
		if diff := cmp.Diff([]verdict{{retry, time.Minute}}, s.verdicts, cmp.AllowUnexported(verdict{})); diff != "" || s.kept[0] || !s.released {
			t.Errorf("got %v, kept %v, want one attempt and the row given back", s.verdicts, s.kept)
		}
		s = newScript(t.Context(), Defaults(), &delivery{}, status(500), status(200))
		s.waits = never{}
		s.run()
		if len(s.times) != 1 || !s.released {
			t.Errorf("got %d attempts, want the wait in the table when memory is full", len(s.times))
		}
	})
}

func TestRoundEndsWhereTheDeliveryIsNotOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t.Context(), Defaults(), &delivery{}, status(500))
		s.run() // The second attempt is refused by the fence.
		if len(s.times) != 1 || s.released || s.waits.(*freely).waiting != 0 {
			t.Errorf("got %d attempts, released %t, want the round to end there", len(s.times), s.released)
		}
		s = newScript(t.Context(), Defaults(), &delivery{}, status(200))
		s.record = func(*delivery, outcome, verdict, bool) error { return errors.New("database is away") }
		s.run()
		if s.released || s.verdict.ending != "" {
			t.Errorf("got %+v, want nothing decided where nothing was recorded", s.verdict)
		}
	})
}
