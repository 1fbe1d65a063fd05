package evaluator

import "time"

// unixSeconds is zero for the zero time, which stands for SQL null.
func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
