package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/env"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/evaluator"
)

// spikeTrial would have fired n times in a month.
func spikeTrial(n int) trial {
	h := evaluator.History{
		Type: event.TrafficSpike, Threshold: 100, WindowSeconds: 300, CooldownSeconds: 43200,
		Since: chartStart, Until: chartStart.AddDate(0, 0, 30), Interval: 5 * time.Second, Evaluations: 518_401, Rows: 123_456, Fired: n,
		SeriesStep: 30*24*time.Hour/67 + 1, Extreme: evaluator.Point{At: chartStart.AddDate(0, 0, 14), Value: 2187},
		Others: []evaluator.Outcome{{Threshold: 50, Fired: 12}, {Threshold: 200, Fired: n / 2}},
	}
	for i, value := range waves(67, 20) {
		h.Series = append(h.Series, evaluator.Point{At: chartStart.Add(time.Duration(i) * h.SeriesStep), Value: value})
	}
	threshold, window, cooldown := 100, 300, 43200
	for i := range n {
		at := chartStart.Add(time.Duration(i)*12*time.Hour + 5*time.Second)
		h.Firings = append(h.Firings, evaluator.Firing{At: at, Value: 132 + i, Listed: true, Event: event.New(at, event.SpikeData{
			Origin: event.Origin{
				Site:    event.Site{ID: 1, Domain: "example.com"},
				Trigger: event.Trigger{Threshold: &threshold, WindowSeconds: &window, CooldownSeconds: &cooldown},
			},
			Episode:         event.Episode{ID: "0199", StartedAt: at, Firing: 1},
			CurrentVisitors: 132 + i, WindowSeconds: 300,
			TopSources: []event.Count{{Name: "Hacker \x1b[2JNews with a name that has no end", Visitors: 1080}},
		})})
	}
	return trial{
		spec: store.TriggerSpec{Type: event.TrafficSpike, Threshold: 100}, history: h,
		subject: store.Subject{Site: config.Site{ID: 1, Domain: "example.com"}},
	}
}

func dropTrial() trial {
	t := spikeTrial(0)
	h := &t.history
	h.Type, h.WindowSeconds, h.Interval, h.Others = event.TrafficDrop, 43200, 432*time.Second, []evaluator.Outcome{{Threshold: 50}, {Threshold: 200, Fired: 1}}
	h.Extreme = evaluator.Point{At: chartStart, Value: 1}
	t.spec.Type, t.subject.Site.NativeStatsStartAt = event.TrafficDrop, chartStart
	return t
}

func scrollTrial(typ event.Type) trial {
	t := spikeTrial(0)
	t.subject.Goal = &config.Goal{ID: 9, DisplayName: "Read to the end", PagePath: "/", ScrollThreshold: 90}
	t.spec.Type, t.history.Type, t.history.Others = typ, typ, nil
	t.history.Until = chartStart.AddDate(0, 0, 2)
	if typ == event.GoalCompleted {
		t.history.Threshold, t.history.WindowSeconds, t.history.CooldownSeconds = 0, 0, 300
	}
	return t
}

func TestBacktestReports(t *testing.T) {
	for name, test := range map[string]struct {
		trial  trial
		locale string
	}{
		"spike":     {spikeTrial(3), "C.UTF-8"},
		"often":     {spikeTrial(57), "C.UTF-8"},
		"never":     {dropTrial(), "C"},
		"threshold": {scrollTrial(event.GoalThreshold), "et_EE.utf8"},
		"completed": {scrollTrial(event.GoalCompleted), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			p := program{stdout: &out, source: env.Source{Environ: []string{"LANG=" + test.locale}}, local: time.UTC}
			test.trial.print(p)
			golden(t, "backtest/"+name, out.String())
			if strings.Contains(out.String(), "\x1b") {
				t.Error("control codes, though this is no terminal")
			}
			out.Reset()
			if err := test.trial.printJSON(p); err != nil {
				t.Fatal(err)
			}
			if name == "spike" {
				golden(t, "backtest/json", out.String())
			}
		})
	}
}

func TestFiringsFitATerminal(t *testing.T) {
	for _, columns := range []int{80, 100, 160} {
		var out bytes.Buffer
		p := program{stdout: &out, local: time.UTC}
		table(&out, spikeTrial(3).firings(p, columns))
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(line)) - 1; n > columns {
				t.Errorf("%d columns of %d: %s", n, columns, line)
			}
		}
	}
	if got, want := wrap("one two  three", 8), "one two\nthree"; got != want {
		t.Errorf("wrapped %q; want %q", got, want)
	}
}

// backtestShell has visits on example.com and none of the sidecar's tables.
func backtestShell(t *testing.T) shell {
	t.Helper()
	s := emptyShell(t)
	events := stack.TestEvents(t)
	s = s.with("CLICKHOUSE_DATABASE_URL="+events, "LANG=C.UTF-8", "BASE_URL=")
	s.exec(`insert into public.sites (id, domain, timezone, inserted_at, updated_at, native_stats_start_at) values
		(1, 'example.com', 'Etc/UTC', now(), now(), '2020-01-01'), (2, 'silent.example.org', 'Etc/UTC', now(), now(), '2020-01-01')`)
	s.exec(`insert into public.goals (id, site_id, event_name, display_name, inserted_at, updated_at) values
		(10, 1, 'Signup', 'Signup', now(), now()), (11, 1, 'Nothing', 'Nothing', now(), now())`)
	now := time.Now()
	var rows []stack.Event
	visits := func(n int, ago time.Duration, name string) {
		for range n {
			rows = append(rows, stack.Event{SiteID: 1, Name: name, ReferrerSource: "Hacker News", Pathname: "/launch", Timestamp: now.Add(-ago)})
		}
	}
	visits(30, 2*time.Hour, "pageview")
	visits(12, 26*time.Hour, "pageview")
	visits(4, 3*time.Hour, "Signup")
	visits(5, 50*time.Hour, "pageview")
	if err := stack.InsertEvents(t.Context(), events, rows); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBacktestOnTheCommandLine(t *testing.T) {
	s := backtestShell(t)
	backtest := func(args string) result { return s.run(append([]string{"backtest"}, strings.Fields(args)...)...) }
	r := backtest("--site Example.com --type traffic.spike --threshold 20 --recovery --since 2d")
	r.want(t, exitDone, "traffic.spike on example.com, at least 20 visitors in 5 minutes, since ", ": would have fired once.",
		"30 visitors on example.com right now (threshold 20 in 5 minutes)", "Hacker News (30)", "The traffic spike on example.com is over after 5 min",
		"Peak: 30 visitors in 5 minutes", "Threshold 10 would have fired twice, threshold 40 never.", "█")
	if r.stderr != "" {
		t.Errorf("on stderr: %s", r.stderr)
	}
	backtest("--site example.com --type traffic.drop --threshold 3 --window 1h --since 36h").
		want(t, exitDone, "fewer than 3 visitors in 1 hour", "No visitors on example.com in the last hour (threshold 3)", "▓")
	backtest("--site example.com --type goal.threshold --goal signup --threshold 4 --window 600 --since 2d").
		want(t, exitMistaken, "--window: 600 seconds is none of 60, 300")
	backtest("--site example.com --type goal.threshold --goal signup --threshold 4 --window 900 --since 2d").
		want(t, exitDone, `goal "Signup" completed at least 4 times in 15 minutes`, "would have fired once", "Peak: 4 completions")
	backtest("--site example.com --type goal.completed --goal Signup --since 2d").
		want(t, exitDone, `each time goal "Signup" is completed`, `Goal "Signup" completed 4 times on example.com`)
	s.exec(`insert into public.spike_notifications (id, site_id, threshold, recipients, type, inserted_at, updated_at) values (1, 1, 12, '{}', 'spike', now(), now())`)
	backtest("--site example.com --type traffic.spike --since 30h --cooldown 0").want(t, exitDone, "at least 12 visitors", "would have fired 12", "The newest 20 of 12") // 120 to 122 times.
	told := decode(t, backtest("--site example.com --type traffic.spike --once --since 30h --json").stdout)
	if n := len(told["series"].([]any)); told["fired"] != 2.0 || told["threshold"] != 12.0 || told["repeat"] != false || told["goal"] != nil || n != 200 {
		t.Errorf("backtest --json: fired %v, threshold %v, repeat %v, goal %v, %d points", told["fired"], told["threshold"], told["repeat"], told["goal"], n)
	}
	first := told["firings"].([]any)[0].(map[string]any)
	if data := first["data"].(map[string]any); first["type"] != "traffic.spike" || data["current_visitors"] != 12.0 || fmt.Sprint(data["top_pages"]) != "[map[name:/launch visitors:12]]" {
		t.Errorf("first firing = %v", first)
	}
	var schemas int
	if s.scan(&schemas, "select count(*) from pg_namespace where nspname = 'plausible_webhooks'"); schemas != 0 {
		t.Error("it has left tables")
	}
}

func TestBacktestSaysWhatIsWrong(t *testing.T) {
	s := backtestShell(t)
	for _, test := range []struct {
		line string
		code int
		want string
	}{
		{"--type traffic.spike", exitMistaken, "--site"},
		{"--site exmaple.com --type traffic.spike", exitMistaken, `--site: Plausible has no site "exmaple.com"; did you mean "example.com"?`},
		{"--site example.com --type traffic.surge", exitMistaken, `--type: "traffic.surge" is none of traffic.spike`},
		{"--site example.com --type traffic.spike", exitMistaken, "--threshold: example.com has no notification in Plausible whose threshold traffic.spike could take: give one"},
		{"--site example.com --type traffic.spike --threshold 0", exitMistaken, "--threshold: 0 is not a whole number of at least 1"},
		{"--site example.com --type goal.threshold --goal Signup", exitMistaken, "--threshold: goal.threshold needs one"},
		{"--site example.com --type goal.completed", exitMistaken, "--goal: goal.completed counts each goal by itself"},
		{"--site example.com --type goal.completed --goal Signups", exitMistaken, `did you mean "Signup"?`},
		{"--site example.com --type goal.completed --goal Signup --recovery", exitMistaken, "--recovery: goal.completed tells of every completion"},
		{"--site example.com --type traffic.spike --threshold 5 --window fast", exitMistaken, `"fast" is not a time such as 300, 5m or 12h`},
		{"--site example.com --type traffic.spike --threshold 5 --since yesterday", exitMistaken, "--since: "},
		{"--site example.com --type traffic.spike --threshold 5 --since 2999-01-01", exitMistaken, "--since: 2999-01-01 00:00:00 is not in the past"},
		{"--site silent.example.org --type traffic.spike --threshold 5", exitFailed, "silent.example.org had no events since "},
		{"--site example.com --type goal.completed --goal Nothing", exitFailed, `goal "Nothing" of example.com was not completed since `},
	} {
		s.run(append([]string{"backtest"}, strings.Fields(test.line)...)...).want(t, test.code, test.want)
	}
	r := s.with("CLICKHOUSE_DATABASE_URL=http://someone:hunter2@127.0.0.1:1/events").run("backtest", "--site", "example.com", "--type", "traffic.spike", "--threshold", "5")
	r.want(t, exitFailed, "http://127.0.0.1:1/events (CLICKHOUSE_DATABASE_URL) does not answer; `plausible-webhooks check` tells more: ")
	if strings.Contains(r.stderr, "hunter2") {
		t.Errorf("the password is shown: %s", r.stderr)
	}
}
