package evaluator

import "context"

// graceSeconds is how long after a stretch of time was counted for ever it is
// looked at once more for rows that came too late, and how long a stretch is
// looked at with one question.
const graceSeconds = 600

// stretch is a stretch of time that is counted for ever, and how many rows the
// question about completed goals had found in it by then. Unix seconds.
type stretch struct {
	after, through int64
	rows           int
}

// lateness finds the rows that came later than WEBHOOKS_LATE_EVENTS: they are
// in no count, but an operator should know of them. It lives in memory only.
type lateness struct {
	sealed []stretch // Without gaps, by time.
}

// note adds what a committed tick has counted for ever.
func (l *lateness) note(s stretch) {
	if n := len(l.sealed); n > 0 && l.sealed[n-1].through != s.after {
		l.sealed = nil
	}
	if s.through > s.after {
		l.sealed = append(l.sealed, s)
	}
}

// due returns what is to be looked at once more, if it is time.
func (l *lateness) due(now int64) (s stretch, ok bool) {
	if len(l.sealed) == 0 {
		return stretch{}, false
	}
	s.after = l.sealed[0].after
	for _, x := range l.sealed {
		if now-x.through < graceSeconds {
			break
		}
		s.through, s.rows = x.through, s.rows+x.rows
	}
	return s, s.through-s.after >= graceSeconds
}

// done forgets what has been looked at.
func (l *lateness) done(s stretch) {
	for len(l.sealed) > 0 && l.sealed[0].through <= s.through {
		l.sealed = l.sealed[1:]
	}
}

// lateRows looks for rows that came too late.
func (e *Evaluator) lateRows(ctx context.Context, s stretch) error {
	rows, err := e.options.Stats.Rows(ctx, e.plan.completed, s.after, s.through)
	if err != nil {
		return err
	}
	e.lateness.done(s)
	if late := rows - s.rows; late > 0 { // Fewer: rows were deleted.
		e.late.Add(int64(late))
		e.log.Debug("rows came too late to be counted", "rows", late)
	}
	return nil
}
