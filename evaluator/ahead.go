package evaluator

import (
	"context"
	"sync"

	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// ahead asks about the traffic of a tick while its goals are counted: the
// questions take about as long and need nothing of each other. It is one
// answer ahead at most, so that no more than two questions are with
// ClickHouse, and two answers in memory.
type ahead struct {
	answers map[class]chan visitorsOf
	cancel  context.CancelFunc
	asking  sync.WaitGroup
}

// visitorsOf is the answer about the traffic of a class.
type visitorsOf struct {
	sites map[int64]stats.Traffic
	err   error
}

// askAhead begins to ask what the turns need, in their order. End must be
// called.
func (t *tick) askAhead(ctx context.Context, turns []turn) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{answers: map[class]chan visitorsOf{}, cancel: cancel}
	var questions []func() bool
	for _, turn := range turns {
		if turn.kind == event.GoalThreshold {
			continue
		}
		answer := make(chan visitorsOf)
		a.answers[turn.class] = answer
		from, sites := t.now-int64(turn.window), t.plan.classes[turn.class].asked(turn.only)
		questions = append(questions, func() bool {
			values, err := t.stats.Traffic(ctx, from, sites)
			select {
			case answer <- visitorsOf{values, err}:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}
	a.asking.Go(func() {
		for _, ask := range questions {
			if !ask() {
				return
			}
		}
	})
	return a
}

// take waits for the answer about a class, which must be one of the turns; each
// once, in their order.
func (a *ahead) take(ctx context.Context, c class) (map[int64]stats.Traffic, error) {
	select {
	case answer := <-a.answers[c]:
		return answer.sites, answer.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// end gives up what was not taken.
func (a *ahead) end() {
	a.cancel()
	a.asking.Wait()
}
