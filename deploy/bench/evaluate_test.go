package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	ten := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, c := range []struct {
		sorted []int
		q      float64
		want   int
	}{
		{ten, 0, 0},
		{ten, 0.5, 5},
		{ten, 0.95, 9},
		{ten, 1, 9},
		{[]int{7}, 0.5, 7},
		{[]int{7}, 1, 7},
	} {
		if got := quantile(c.sorted, c.q); got != c.want {
			t.Errorf("quantile(%v, %g) = %d, want %d", c.sorted, c.q, got, c.want)
		}
	}
}

func TestShareFollowsThePlace(t *testing.T) {
	for _, sites := range []int{1, 20, 1_000, 100_000} {
		sum := 0.0
		for place := 1; place <= sites; place++ {
			sum += share(place, sites)
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("shares of %d sites add up to %g, want 1", sites, sum)
		}
	}
	// Zipf's law: the tenth has a tenth of what the first has, about.
	if ratio := share(100, 100_000) / share(1_000, 100_000); math.Abs(ratio-10) > 0.1 {
		t.Errorf("the hundredth site has %g times the traffic of the thousandth, want about 10", ratio)
	}
}

func TestSiteAtTakesEachIDOnce(t *testing.T) {
	for _, sites := range []int{1, 2, 20, 999, 1_000, 100_000} {
		taken := make([]bool, sites+1)
		for place := 1; place <= sites; place++ {
			id := siteAt(place, sites)
			if id < 1 || id > int64(sites) || taken[id] {
				t.Fatalf("of %d sites, place %d has id %d, which is taken or out of range", sites, place, id)
			}
			taken[id] = true
		}
	}
}

func TestNewTrafficKeepsVisitsWhole(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		history, perDay    float64
		wantDay, wantSlice int
	}{
		{history: 40_000_000, perDay: 50_000_000, wantDay: 1_428_570, wantSlice: 2_895},
		{history: 56_000_000, perDay: 2_000_000, wantDay: 2_000_000, wantSlice: 115},
		{history: 1, perDay: 1, wantDay: 5, wantSlice: 5},
	} {
		got := newTraffic(10, c.history, c.perDay, start)
		if got.historyDay != c.wantDay || got.perSlice != c.wantSlice {
			t.Errorf("%g rows and %g a day: got %d a day and %d a slice, want %d and %d", c.history, c.perDay, got.historyDay, got.perSlice, c.wantDay, c.wantSlice)
		}
		if got, want := got.sliceEnd(0), start.Unix()+5; got != want {
			t.Errorf("the first slice ends at %d, want %d", got, want)
		}
	}
}

func TestParseSites(t *testing.T) {
	for _, c := range []struct {
		list  string
		want  []int
		fails bool
	}{
		{list: ""},
		{list: "1000", want: []int{1000}},
		{list: "1000, 10000,", want: []int{1000, 10000}},
		{list: "0", fails: true},
		{list: "1e3", fails: true},
		{list: "9999999999", fails: true},
	} {
		got, err := parseSites(c.list)
		if (err != nil) != c.fails || !slices.Equal(got, c.want) {
			t.Errorf("parseSites(%q) = %v, %v, want %v, an error: %t", c.list, got, err, c.want, c.fails)
		}
	}
}

func TestParseTick(t *testing.T) {
	if got, err := parseTick("tick 1700000000"); err != nil || got.Unix() != 1_700_000_000 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, line := range []string{"", "tick", "tick ", "tick soon", "tock 1700000000"} {
		if _, err := parseTick(line); err == nil {
			t.Errorf("parseTick(%q) does not fail", line)
		}
	}
}

func TestParseMemory(t *testing.T) {
	got, err := parseMemory("Name:\tbench\nVmPeak:\t  99999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
	if want := (memoryUse{Now: 1 << 20, Peak: 2 << 20}); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, status := range []string{"", "VmRSS:\t1024 kB\n", "VmRSS:\tmuch\nVmHWM:\t1 kB\n"} {
		if _, err := parseMemory(status); err == nil {
			t.Errorf("parseMemory(%q) does not fail", status)
		}
	}
}

func TestParseCPU(t *testing.T) {
	// A name may hold spaces and brackets.
	got, err := parseCPU("42 (a) b (c) S 1 42 42 0 -1 4194304 10 0 0 0 150 50 7 7 20 0 9 0 100 1 2")
	if want := 2 * time.Second; err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, stat := range []string{"", "42 (a) S 1", "42 (a) S 1 42 42 0 -1 4194304 10 0 0 0 x 50 7"} {
		if _, err := parseCPU(stat); err == nil {
			t.Errorf("parseCPU(%q) does not fail", stat)
		}
	}
}

func TestShape(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		params    map[string]string
		want      string
	}{
		{"lists and spaces", "SELECT 1\n FROM t  WHERE id IN (1,2, 33)", nil, "SELECT N FROM t WHERE id IN (N, …)"},
		{"texts", "name IN (unhex('aa'),unhex('bb')) AND kind != 'engagement'", nil, "name IN ('…', …) AND kind != 'engagement'"},
		{"types keep their numbers", "toUInt32(5)", nil, "toUInt32(N)"},
		{"windows", "timestamp >= {from:DateTime}", map[string]string{"from": "700"}, "timestamp >= now-300"},
		{"moving times are rounded", "timestamp > {after:DateTime}", map[string]string{"after": "878"}, "timestamp > now-120"},
		{"a parameter that is missing", "timestamp > {after:DateTime}", nil, "timestamp > {after:DateTime}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := shape(c.sql, c.params, 1000); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := shape(strings.Repeat("x", 2*shapeLength), nil, 0); got != strings.Repeat("x", shapeLength)+"…" {
		t.Errorf("a long text becomes %q", got)
	}
}

func TestSpell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0.00 ms",
		1234 * time.Microsecond: "1.23 ms",
		50 * time.Millisecond:   "50 ms",
		time.Second:             "1.00 s",
		75 * time.Second:        "75 s",
	} {
		if got := spell(d); got != want {
			t.Errorf("spell(%d) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567", -1000: "-1,000"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBrokenPromises(t *testing.T) {
	tick := func(took time.Duration, queries int) measured {
		return measured{ticked: ticked{Took: took, Queries: queries, Classes: 1}, Logged: queries}
	}
	kept := grown{
		sites: promisedSites, hour: []measured{tick(time.Millisecond, 8)},
		hourMemory: memoryUse{Now: 1, Peak: memoryPromised - 1}, oneByOne: oneByOne{All: time.Second},
	}
	for _, c := range []struct {
		name   string
		change func(*grown)
		want   []string
	}{
		{"all kept", func(*grown) {}, nil},
		{"slow", func(g *grown) { g.hour[0].Took = time.Second; g.oneByOne.All = time.Hour }, []string{"95% of ticks"}},
		{"many queries", func(g *grown) { g.hour[0] = tick(time.Millisecond, 9) }, []string{"a tick sent 9 queries"}},
		{"much memory", func(g *grown) { g.hourMemory.Peak = memoryPromised }, []string{"300 MiB were resident"}},
		{"little gain", func(g *grown) { g.oneByOne.All = time.Millisecond }, []string{"1 times the mean tick", "1 times a tick that evaluates everything"}},
		{"of a smaller size nothing is promised", func(g *grown) { g.sites = 10; g.hour[0].Took = time.Hour }, nil},
		{"but a measurement must be whole", func(g *grown) { g.sites = 10; g.hour[0].Unanswered = []string{"x"} }, []string{"were not whole"}},
		{"and agree with the engine", func(g *grown) { g.sites = 10; g.hour[0].Logged = 3 }, []string{"logged 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := kept
			g.hour = slices.Clone(kept.hour)
			c.change(&g)
			got := g.broken()
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %q", got, c.want)
			}
			for i, err := range got {
				if !strings.Contains(err.Error(), c.want[i]) {
					t.Errorf("got %q, want %q in it", err, c.want[i])
				}
			}
		})
	}
}
