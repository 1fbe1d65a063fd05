//go:build soak

package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

// storm is one thing that happens, until it is over, but for what lasts as
// connections do. Its error is one of the test's own tools.
type storm func(random *rand.Rand) error

// fronts are what may happen, by where it does: of each one thing at a time. The
// second sidecar is the one that is killed, so that the first can be looked at
// for what grows.
func (s *soak) fronts() []map[string]storm {
	return []map[string]storm{{
		"kill": func(random *rand.Rand) error {
			if err := s.signal(syscall.SIGKILL, s.running[1]); err != nil {
				return err
			}
			<-s.running[1].Exited()
			return s.start(1)
		},
		"stop": func(random *rand.Rand) error {
			return errors.Join(s.running[1].Stop(), s.start(1))
		},
		"pause": func(random *rand.Rand) error { // Longer than the lead lasts.
			return s.pause(random, 8*time.Second, 4*time.Second, s.running[1])
		},
		"pause all": func(random *rand.Rand) error { // Longer than claims last.
			return s.pause(random, 22*time.Second, 3*time.Second, s.running[:]...)
		},
	}, {
		"postgres restarts": func(*rand.Rand) error { return s.postgres.Restart(s.t.Context()) },
		"postgres crashes": func(random *rand.Rand) error {
			return errors.Join(s.postgres.Kill(), s.last(random, time.Second, 3*time.Second), s.postgres.Restart(s.t.Context()))
		},
		"postgres drops packets": func(random *rand.Rand) error {
			s.toPostgres.Freeze()
			defer s.toPostgres.Thaw()
			return s.last(random, 3*time.Second, 6*time.Second)
		},
		"postgres refuses":               func(random *rand.Rand) error { return s.refuse(random, s.toPostgres, 3*time.Second) },
		"postgres connections forgotten": func(*rand.Rand) error { s.toPostgres.Strand(); return nil },
		"postgres connections cut":       func(*rand.Rand) error { s.toPostgres.Cut(); return nil },
		"postgres flaky": func(random *rand.Rand) error {
			s.toPostgres.Befall(flaky(random, 100_000))
			defer s.toPostgres.Befall(nil)
			return s.last(random, 2*time.Second, 4*time.Second)
		},
		"disk full": func(random *rand.Rand) error {
			return errors.Join(s.exec(diskFull()), s.last(random, 2*time.Second, 4*time.Second), s.exec("drop function public.disk_full() cascade"))
		},
		"a restore": func(*rand.Rand) error {
			return s.exec(`begin; create temporary table kept as select * from sites; create temporary table kept_goals as select * from goals;
				truncate sites cascade; insert into sites overriding system value select * from kept; insert into goals overriding system value select * from kept_goals; commit`)
		},
		"plausible migrates": func(*rand.Rand) error { // And would fail where a lock of ours kept it waiting.
			return s.exec(`set lock_timeout = '1s'; alter table goals drop column custom_props`,
				`set lock_timeout = '1s'; alter table goals add column custom_props jsonb not null default '{}'`,
				`begin; set local lock_timeout = '1s'; lock table sites, goals, spike_notifications in access exclusive mode; commit`)
		},
	}, {
		"clickhouse crashes": func(random *rand.Rand) error {
			s.writing.Lock()
			defer s.writing.Unlock()
			return errors.Join(s.clickhouse.Kill(), s.last(random, time.Second, 3*time.Second), s.clickhouse.Restart(s.t.Context()))
		},
		"clickhouse overloaded":    s.cloud(202, "Too many simultaneous queries"),
		"clickhouse out of memory": s.cloud(241, "Memory limit exceeded"),
		"clickhouse garbage":       s.cloud(0, "\xff\x00garbage"),
	}, {
		"receivers fail": func(*rand.Rand) error {
			for site := range sites {
				s.hooks.Behave("/hook/"+strconv.Itoa(site+1), receiver.Must("fail:2:503"))
			}
			return nil
		},
		"receivers flaky": func(random *rand.Rand) error {
			s.toHooks.Befall(flaky(random, 20_000))
			defer s.toHooks.Befall(nil)
			return s.last(random, 2*time.Second, 4*time.Second)
		},
		"receivers away": func(random *rand.Rand) error { return s.refuse(random, s.toHooks, 2*time.Second) },
	}}
}

// cloud stands before ClickHouse and answers in its stead.
func (s *soak) cloud(code int, text string) storm {
	return func(random *rand.Rand) error {
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
		defer s.clouded.Store(nil)
		return s.last(random, time.Second, 4*time.Second)
	}
}

// pause stops processes for a while without their noticing.
func (s *soak) pause(random *rand.Rand, atLeast, more time.Duration, processes ...*sidecar.Process) error {
	return errors.Join(s.signal(syscall.SIGSTOP, processes...), s.last(random, atLeast, more), s.signal(syscall.SIGCONT, processes...))
}

// refuse takes connections away, and new ones too for a while.
func (s *soak) refuse(random *rand.Rand, proxy *faulty.Proxy, more time.Duration) error {
	proxy.Refuse()
	proxy.Cut()
	return errors.Join(s.last(random, time.Second, more), proxy.Accept())
}

// diskFull makes every write of ours fail with PostgreSQL's own code.
func diskFull() string {
	sql := `create function public.disk_full() returns trigger language plpgsql as
		$$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;`
	for _, table := range []string{"trigger_states", "evaluation_progress", "webhook_deliveries", "webhook_delivery_attempts"} {
		sql += "create trigger disk_full before insert or update on plausible_webhooks." + table + " for each statement execute function public.disk_full();"
	}
	return sql
}

// rage lets one thing of a front happen after the other until ctx ends.
func (s *soak) rage(ctx context.Context, random *rand.Rand, front map[string]storm) error {
	names := slices.Sorted(maps.Keys(front))
	for {
		select {
		case <-time.After(time.Second + time.Duration(random.Int64N(int64(9*time.Second)))):
		case <-ctx.Done():
			return nil
		}
		name := names[random.IntN(len(names))]
		s.telling.Lock()
		s.storms[name]++
		s.telling.Unlock()
		s.t.Logf("%s %s", time.Now().Format(time.TimeOnly), name)
		if err := front[name](random); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// last lets a storm last, for so long at least and up to so much more. It is
// what is tested, not a wait for something.
func (s *soak) last(random *rand.Rand, atLeast, more time.Duration) error {
	select {
	case <-time.After(atLeast + time.Duration(random.Int64N(int64(more)))):
		return nil
	case <-s.t.Context().Done():
		return s.t.Context().Err()
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

// usage is what must not grow.
type usage struct{ resident, goroutines int64 }

func (u usage) String() string {
	return fmt.Sprintf("%d MiB in %d goroutines", u.resident>>20, u.goroutines)
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
