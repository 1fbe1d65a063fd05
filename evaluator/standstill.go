package evaluator

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Parts of a tick besides its turns, as the log names them.
const (
	partTime     = "time"
	partClosings = "closings"
	partGoals    = "goals"
	partScroll   = "scroll goals"
	partLate     = "late rows"
)

// part names the part of a tick that evaluates a class.
func (c class) part() string { return fmt.Sprintf("%s over %d s", c.kind, c.window) }

// answered notes whether ClickHouse has answered the questions of a part. The
// first that it does not answer is told; others are the same trouble, until a
// tick leaves none (see listened).
func (e *Evaluator) answered(part string, err error) {
	switch {
	case errors.Is(err, context.Canceled):
		return // We are being stopped.
	case err == nil:
		delete(e.silent, part)
		return
	}
	e.unanswered.Add(1)
	e.silent[part] = true
	if e.clickhouse.Begin(time.Now(), err) {
		e.log.Error("evaluation stands still until ClickHouse answers; nothing is lost", "part", part, "error", err)
	} else {
		e.log.Debug("no answer of ClickHouse", "part", part, "error", err)
	}
}

// listened tells once when everything is answered again. A class that nobody
// asks for any more will not be.
func (e *Evaluator) listened() {
	if len(e.silent) > 0 {
		asked := map[string]bool{partTime: true, partClosings: true, partGoals: true, partScroll: true, partLate: true}
		for c := range e.plan.classes {
			asked[c.part()] = true
		}
		for part := range e.silent {
			if !asked[part] {
				delete(e.silent, part)
			}
		}
	}
	if len(e.silent) > 0 {
		return
	}
	if lasted, news := e.clickhouse.End(); news {
		e.log.Info("evaluation goes on: ClickHouse answers", "after", lasted.Round(time.Second).String())
	}
}

// stoodStill notes an error of PostgreSQL, which may have cost the lead.
func (e *Evaluator) stoodStill(err error) {
	if e.postgres.Begin(time.Now(), err) {
		e.log.Error("evaluation stands still until PostgreSQL works; nothing is lost", "error", err)
	} else {
		e.log.Debug("PostgreSQL does not work yet", "error", err)
	}
}

// worked notes that PostgreSQL has done what it was asked.
func (e *Evaluator) worked() {
	if lasted, news := e.postgres.End(); news {
		e.log.Info("PostgreSQL works again for evaluation", "after", lasted.Round(time.Second).String())
	}
}
