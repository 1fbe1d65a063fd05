package settings

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// endless answers only when it is told to stop.
type endless struct{}

func (endless) Backtest(ctx context.Context, _ Trial) (Outlook, error) {
	<-ctx.Done()
	return Outlook{}, errors.New("query was cancelled")
}

func TestATrialEndsAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trials := newTrials(endless{}, time.Now)
		began := time.Now()
		if _, err := trials.try(t.Context(), Trial{}); !errors.Is(err, errTooSlow) || time.Since(began) != trialPatience {
			t.Errorf("after %v: %v; want errTooSlow after %v", time.Since(began), err, trialPatience)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := trials.try(ctx, Trial{}); err == nil || errors.Is(err, errTooSlow) || errors.Is(err, errBusy) {
			t.Errorf("for somebody who went away: %v; want the cause", err)
		}
		if len(trials.running)+len(trials.known) != 0 {
			t.Error("what failed is remembered")
		}
	})
}

func TestTrialsWithoutABacktester(t *testing.T) {
	if _, err := newTrials(nil, time.Now).try(t.Context(), Trial{}); !errors.Is(err, errNoTrial) {
		t.Errorf("got %v; want errNoTrial", err)
	}
}

// The memory of answers is bounded, whatever is asked.
func TestTrialsForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trials := newTrials(instant{}, time.Now)
		for i := range 3 * mostRemember {
			trial := Trial{}
			trial.Trigger.Threshold = i + 1
			if _, err := trials.try(t.Context(), trial); err != nil {
				t.Fatal(err)
			}
		}
		if len(trials.known) > mostRemember {
			t.Errorf("%d answers are remembered", len(trials.known))
		}
		time.Sleep(trialMemory)
		if _, err := trials.try(t.Context(), Trial{}); err != nil || len(trials.known) != 1 {
			t.Errorf("%d answers are remembered after a minute (%v)", len(trials.known), err)
		}
	})
}

type instant struct{}

func (instant) Backtest(context.Context, Trial) (Outlook, error) { return Outlook{}, nil }

func TestFormsAreForgottenInTurn(t *testing.T) {
	var s spent
	for i := range mostSpent + 10 {
		then, _, fresh := s.spend(string(rune(i+1)), "/overview")
		if !fresh {
			t.Fatalf("form %d is known", i)
		}
		then("/webhook")
	}
	if len(s.where) != mostSpent || len(s.order) != mostSpent {
		t.Errorf("%d and %d forms are remembered; want %d", len(s.where), len(s.order), mostSpent)
	}
	if _, path, fresh := s.spend(string(rune(mostSpent+10)), "/overview"); fresh || path != "/webhook" {
		t.Errorf("the newest form leads to %q, fresh %v", path, fresh)
	}
	then, _, _ := s.spend("refused", "/overview")
	if _, path, fresh := s.spend("refused", "/overview"); fresh || path != "/overview" {
		t.Error("a form that is sent twice at once is answered twice")
	}
	then("")
	if _, _, fresh := s.spend("refused", "/overview"); !fresh {
		t.Error("a form that was refused cannot be sent again")
	}
}
