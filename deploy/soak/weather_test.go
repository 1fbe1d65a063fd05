//go:build soak

package soak

import (
	"bufio"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"plausible-webhooks/deploy/devstack/faulty"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/sidecar"
)

// fronts are what may happen, by where it does: of each one thing at a time,
// until it is over, but for what lasts as connections do. The second sidecar is
// the one that is killed, so that the first can be looked at for what grows.
func (s *soak) fronts() []map[string]func(*rand.Rand) {
	lasting := func(atLeast, more time.Duration) { s.last(atLeast + rand.N(more)) }
	cloud := func(code int, text string) func(*rand.Rand) {
		return func(*rand.Rand) {
			answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if code == 0 {
					_, _ = io.WriteString(w, text)
					return
				}
				w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(code))
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, "Code: "+strconv.Itoa(code)+". DB::Exception: "+text)
			})
			s.clouded.Store(&answer)
			lasting(time.Second, 4*time.Second)
			s.clouded.Store(nil)
		}
	}
	disk := "create trigger disk_full before insert or update on plausible_webhooks.%s for each statement execute function public.disk_full();"
	return []map[string]func(*rand.Rand){{
		"kill": func(random *rand.Rand) {
			s.signal(s.running[1], syscall.SIGKILL)
			<-s.running[1].Exited()
			s.start(1)
		},
		"stop": func(random *rand.Rand) {
			s.must(s.running[1].Stop())
			s.start(1)
		},
		"pause": func(random *rand.Rand) {
			s.signal(s.running[1], syscall.SIGSTOP)
			lasting(8*time.Second, 4*time.Second) // Longer than the lead lasts.
			s.signal(s.running[1], syscall.SIGCONT)
		},
		"pause all": func(random *rand.Rand) {
			for _, p := range s.running {
				s.signal(p, syscall.SIGSTOP)
			}
			lasting(22*time.Second, 3*time.Second) // Longer than claims last.
			for _, p := range s.running {
				s.signal(p, syscall.SIGCONT)
			}
		},
	}, {
		"postgres restarts": func(random *rand.Rand) { s.must(s.postgres.Restart(s.t.Context())) },
		"postgres crashes": func(random *rand.Rand) {
			s.must(s.postgres.Kill())
			lasting(time.Second, 3*time.Second)
			s.must(s.postgres.Restart(s.t.Context()))
		},
		"postgres drops packets": func(random *rand.Rand) {
			s.toPostgres.Freeze()
			lasting(3*time.Second, 6*time.Second)
			s.toPostgres.Thaw()
		},
		"postgres refuses": func(random *rand.Rand) {
			s.toPostgres.Refuse()
			s.toPostgres.Cut()
			lasting(time.Second, 3*time.Second)
			s.must(s.toPostgres.Accept())
		},
		"postgres connections forgotten": func(random *rand.Rand) { s.toPostgres.Strand() },
		"postgres connections cut":       func(random *rand.Rand) { s.toPostgres.Cut() },
		"postgres flaky": func(random *rand.Rand) {
			s.toPostgres.Befall(flaky(random, 100_000))
			lasting(2*time.Second, 4*time.Second)
			s.toPostgres.Befall(nil)
		},
		"disk full": func(random *rand.Rand) {
			s.exec(`create function public.disk_full() returns trigger language plpgsql as
				$$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;` +
				strings.ReplaceAll(disk, "%s", "trigger_states") + strings.ReplaceAll(disk, "%s", "evaluation_progress") +
				strings.ReplaceAll(disk, "%s", "webhook_deliveries") + strings.ReplaceAll(disk, "%s", "webhook_delivery_attempts"))
			lasting(2*time.Second, 4*time.Second)
			s.exec("drop function public.disk_full() cascade")
		},
		"a restore": func(random *rand.Rand) {
			s.exec(`begin; create temporary table kept as select * from sites; create temporary table kept_goals as select * from goals;
				truncate sites cascade; insert into sites overriding system value select * from kept; insert into goals overriding system value select * from kept_goals; commit`)
		},
		"plausible migrates": func(random *rand.Rand) {
			s.exec(`set lock_timeout = '1s'; alter table goals drop column custom_props`)
			s.exec(`set lock_timeout = '1s'; alter table goals add column custom_props jsonb not null default '{}'`)
			s.exec(`begin; set local lock_timeout = '1s'; lock table sites, goals, spike_notifications in access exclusive mode; commit`)
		},
	}, {
		"clickhouse crashes": func(random *rand.Rand) {
			s.writing.Lock()
			defer s.writing.Unlock()
			s.must(s.clickhouse.Kill())
			lasting(time.Second, 3*time.Second)
			s.must(s.clickhouse.Restart(s.t.Context()))
		},
		"clickhouse overloaded":    cloud(202, "Too many simultaneous queries"),
		"clickhouse out of memory": cloud(241, "Memory limit exceeded"),
		"clickhouse garbage":       cloud(0, "\xff\x00garbage"),
	}, {
		"receivers fail": func(random *rand.Rand) {
			for site := range sites {
				s.hooks.Behave("/hook/"+strconv.Itoa(site+1), receiver.Must("fail:2:503"))
			}
		},
		"receivers flaky": func(random *rand.Rand) {
			s.toHooks.Befall(flaky(random, 20_000))
			lasting(2*time.Second, 4*time.Second)
			s.toHooks.Befall(nil)
		},
		"receivers away": func(random *rand.Rand) {
			s.toHooks.Refuse()
			s.toHooks.Cut()
			lasting(time.Second, 2*time.Second)
			s.must(s.toHooks.Accept())
		},
	}}
}

// rage lets one thing of a front happen after the other until ctx ends.
func (s *soak) rage(ctx context.Context, random *rand.Rand, front map[string]func(*rand.Rand)) {
	names := slices.Sorted(maps.Keys(front))
	for {
		select {
		case <-time.After(time.Second + rand.N(9*time.Second)):
		case <-ctx.Done():
			return
		}
		name := names[random.IntN(len(names))]
		s.telling.Lock()
		s.storms[name]++
		s.telling.Unlock()
		s.t.Logf("%s %s", time.Now().Format(time.TimeOnly), name)
		front[name](random)
	}
}

// last lets a storm last. It is what is tested, not a wait for something.
func (s *soak) last(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.t.Context().Done():
	}
}

// flaky has connections cut, delayed, reset or ignored, half of them.
func flaky(drawn *rand.Rand, mostBytes int64) func(int) faulty.Fault {
	random := rand.New(rand.NewPCG(drawn.Uint64(), 0))
	return func(int) faulty.Fault {
		switch n := random.IntN(100); {
		case n < 20:
			return faulty.Fault{CutDown: 1 + random.Int64N(mostBytes)}
		case n < 40:
			return faulty.Fault{CutUp: 1 + random.Int64N(mostBytes)}
		case n < 45:
			return faulty.Fault{Delay: time.Duration(random.IntN(20)) * time.Millisecond}
		case n < 50:
			return faulty.Fault{Reset: true}
		}
		return faulty.Fault{}
	}
}

// clearUp ends what is left of the weather.
func (s *soak) clearUp() {
	s.toPostgres.Befall(nil)
	s.toHooks.Befall(nil)
	for _, p := range s.running {
		s.ready(p)
	}
}

// usage reads what the process tells of itself.
func (s *soak) usage(p *sidecar.Process) (u usage) {
	s.t.Helper()
	answer, err := http.Get("http://" + p.Admin + "/metrics")
	s.must(err)
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		for name, into := range map[string]*int64{"process_resident_memory_bytes ": &u.resident, "go_goroutines ": &u.goroutines} {
			if text, ok := strings.CutPrefix(lines.Text(), name); ok {
				value, err := strconv.ParseFloat(text, 64)
				s.must(err)
				*into = int64(value)
			}
		}
	}
	s.must(lines.Err())
	return u
}
