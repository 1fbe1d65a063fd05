package settings

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The bounds of trials: ClickHouse has dashboards to serve.
const (
	trialsAtOnce  = 2
	trialPatience = 10 * time.Second
	trialMemory   = time.Minute
	trialPast     = 30 * 24 * time.Hour
	mostRemember  = 200
)

var (
	errBusy    = errors.New("other charts are being drawn")
	errTooSlow = errors.New("the trial took too long")
	errNoTrial = errors.New("there is nothing to try with")
)

// trials bounds what pages ask of the backtester: one at a time of a site, two
// in all, ten seconds each, and the same question once a minute.
type trials struct {
	backtester Backtester
	now        func() time.Time

	mutex   sync.Mutex
	running map[int64]bool // By site.
	known   map[string]remembered
}

type remembered struct {
	outlook Outlook
	at      time.Time
}

func newTrials(backtester Backtester, now func() time.Time) *trials {
	return &trials{backtester: backtester, now: now, running: map[int64]bool{}, known: map[string]remembered{}}
}

// try tells what the trigger would have done, or one of the errors above, or
// what the backtester fails with.
func (t *trials) try(ctx context.Context, trial Trial) (Outlook, error) {
	if t.backtester == nil {
		return Outlook{}, errNoTrial
	}
	key := trialKey(trial)
	outlook, known, err := t.begin(trial.Subject.Site.ID, key)
	if known || err != nil {
		return outlook, err
	}
	defer t.end(trial.Subject.Site.ID)
	limited, cancel := context.WithTimeout(ctx, trialPatience)
	defer cancel()
	outlook, err = t.backtester.Backtest(limited, trial)
	switch {
	case err == nil:
		t.remember(key, outlook)
		return outlook, nil
	case limited.Err() != nil && ctx.Err() == nil:
		return Outlook{}, errTooSlow
	default:
		return Outlook{}, err
	}
}

func (t *trials) begin(site int64, key string) (outlook Outlook, known bool, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if r, ok := t.known[key]; ok && t.now().Sub(r.at) < trialMemory {
		return r.outlook, true, nil
	}
	if t.running[site] || len(t.running) >= trialsAtOnce {
		return Outlook{}, false, errBusy
	}
	t.running[site] = true
	return Outlook{}, false, nil
}

func (t *trials) end(site int64) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	delete(t.running, site)
}

func (t *trials) remember(key string, outlook Outlook) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	now := t.now()
	for k, r := range t.known {
		if now.Sub(r.at) >= trialMemory || len(t.known) >= mostRemember {
			delete(t.known, k)
		}
	}
	t.known[key] = remembered{outlook, now}
}

// trialKey is the same for the same question, whenever it is asked.
func trialKey(t Trial) string {
	var goal any
	if t.Subject.Goal != nil {
		goal = *t.Subject.Goal
	}
	trigger, cooldown := t.Trigger, -1
	if trigger.CooldownSeconds != nil {
		cooldown, trigger.CooldownSeconds = *trigger.CooldownSeconds, nil
	}
	return fmt.Sprintf("%+v|%+v|%d|%+v|%d|%s|%v", t.Subject.Site, goal, t.Subject.Threshold, trigger, cooldown, t.Format, t.Others)
}
