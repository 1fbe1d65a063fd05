package sender

import (
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func status(code int) outcome { return outcome{status: code, answered: true} }

func TestDecide(t *testing.T) {
	o := Defaults()
	o.Redelivery = []time.Duration{5 * time.Minute, time.Hour}
	for _, test := range []struct {
		name   string
		result outcome
		at     progress
		want   verdict
	}{
		{"accepted", status(200), progress{1, 0}, verdict{delivered, 0}},
		{"any 2xx", status(299), progress{4, 2}, verdict{delivered, 0}},
		{"note after 2xx", outcome{status: 204, answered: true, problem: "cut short"}, progress{1, 0}, verdict{delivered, 0}},
		{"first failure", status(500), progress{1, 0}, verdict{retry, time.Second}},
		{"second failure", status(400), progress{2, 0}, verdict{retry, 2 * time.Second}},
		{"third failure", outcome{problem: "reset"}, progress{3, 0}, verdict{retry, 4 * time.Second}},
		{"round over", status(500), progress{4, 0}, verdict{nextRound, 5 * time.Minute}},
		{"second round over", status(500), progress{4, 1}, verdict{nextRound, time.Hour}},
		{"last round over", status(500), progress{4, 2}, verdict{failed, 0}},
		{"more attempts than retries were lowered to", status(500), progress{9, 2}, verdict{failed, 0}},
		{"redirect", status(302), progress{1, 0}, verdict{retry, time.Second}},
		{"final 1xx", status(101), progress{1, 0}, verdict{retry, time.Second}},
		{"status 0", status(0), progress{1, 0}, verdict{retry, time.Second}},
		{"gone", status(410), progress{1, 0}, verdict{gone, 0}},
		{"refused", outcome{hopeless: true}, progress{1, 0}, verdict{failed, 0}},
		{"cut", outcome{cut: true}, progress{0, 0}, verdict{interrupted, 0}},
	} {
		if diff := cmp.Diff(test.want, o.decide(test.result, test.at, noon), cmp.AllowUnexported(verdict{})); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	o := Defaults()
	for header, want := range map[string]time.Duration{
		"": time.Second, "0": time.Second, "1": time.Second, "3": 3 * time.Second, " 2": 2 * time.Second, "60": time.Minute,
		"61": time.Minute, "86400": time.Minute, "9223372036": time.Minute, "9223372037": time.Minute, "18446744073": time.Minute,
		"99999999999999999999999999": time.Minute,
		"-5":                         time.Second, "1.5": time.Second, "+3": time.Second, "soon": time.Second, "٣": time.Second,
		"Mon, 23 Nov 2026 12:00:07 GMT":    7 * time.Second,
		"Monday, 23-Nov-26 12:00:07 GMT":   7 * time.Second,
		"Mon Nov 23 12:00:07 2026":         7 * time.Second,
		"Fri, 31 Dec 1999 23:59:59 GMT":    time.Second,
		"Tue, 31 Dec 2199 23:59:59 GMT":    time.Minute,
		"Tue, 31 Dec 9999 23:59:59 GMT":    time.Minute,
		"Mon, 23 Nov 2026 12:00:07 +0100x": time.Second,
	} {
		for _, code := range []int{429, 503} {
			if got := o.waitBefore(1, outcome{status: code, answered: true, retryAfter: header}, noon); got != want {
				t.Errorf("%d with %q: got %s, want %s", code, header, got, want)
			}
		}
		if got := o.waitBefore(1, outcome{status: 500, answered: true, retryAfter: header}, noon); got != time.Second {
			t.Errorf("500 with %q: got %s, want it ignored", header, got)
		}
	}
}

func TestWaitsAreBounded(t *testing.T) {
	o := Defaults()
	bounded := func(n uint8, seconds int64, header string) bool {
		wait := o.waitBefore(int(n), outcome{status: 503, answered: true, retryAfter: header}, time.Unix(seconds, 0))
		return wait >= o.RetryWaitMin && wait <= maxRetryAfter
	}
	if err := quick.Check(bounded, nil); err != nil {
		t.Error(err)
	}
	huge := Options{RetryWaitMin: time.Hour, RetryWaitMax: 1<<63 - 1}
	if got := huge.waitBefore(200, outcome{}, noon); got <= 0 {
		t.Errorf("got %s, want no overflow", got)
	}
}
