package stack

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var toy = engine{name: "toy-1", pkg: "toy", version: "1", size: "1 kB"}

// fetchToy writes what a toy engine consists of.
func fetchToy(_ context.Context, _ engine, dir string) error {
	return os.WriteFile(filepath.Join(dir, "toy"), []byte("whole"), 0o700)
}

func TestInstallFetchesOnceForMany(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	var fetches atomic.Int32
	fetch := func(ctx context.Context, e engine, dir string) error {
		fetches.Add(1)
		return fetchToy(ctx, e, dir)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			// A writer of its own for each: they stand for processes.
			i := installer{cache: cache, fetch: fetch, progress: new(bytes.Buffer)}
			dir, err := i.install(t.Context(), toy)
			if err != nil {
				t.Error(err)
				return
			}
			if text, err := os.ReadFile(filepath.Join(dir, "toy")); err != nil || string(text) != "whole" {
				t.Errorf("installed engine: got %q, %v", text, err)
			}
		})
	}
	wg.Wait()
	if got := fetches.Load(); got != 1 {
		t.Errorf("fetches: got %d, want 1", got)
	}
}

func TestInstallTellsWhatItWaitsFor(t *testing.T) {
	var progress bytes.Buffer
	i := installer{cache: t.TempDir(), fetch: fetchToy, progress: &progress}
	if _, err := i.install(t.Context(), toy); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fetching toy-1 (toy@1, about 1 kB on disk)", "installed toy-1 in 0 s"} {
		if !strings.Contains(progress.String(), want) {
			t.Errorf("progress: got %q, want %q in it", progress.String(), want)
		}
	}
	progress.Reset()
	if _, err := i.install(t.Context(), toy); err != nil {
		t.Fatal(err)
	}
	if progress.Len() != 0 {
		t.Errorf("progress of an installed engine: got %q, want none", progress.String())
	}
}

func TestInstallAfterAnInterruptedOne(t *testing.T) {
	cache := t.TempDir()
	// A process that was killed leaves its partial folder; its lock is gone.
	left := filepath.Join(cache, "toy-1.partial")
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "half"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	i := installer{cache: cache, fetch: fetchToy, progress: new(bytes.Buffer)}
	dir, err := i.install(t.Context(), toy)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "half")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half of the interrupted installation is in use: %v", err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the partial folder is still there: %v", err)
	}
}

func TestInstallThatFailsDoesNotCount(t *testing.T) {
	broken := errors.New("line went dead")
	tests := map[string]installer{
		"while fetching": {fetch: func(context.Context, engine, string) error { return broken }},
		"half fetched": {fetch: func(ctx context.Context, e engine, dir string) error {
			return errors.Join(fetchToy(ctx, e, dir), broken)
		}},
	}
	for name, i := range tests {
		t.Run(name, func(t *testing.T) {
			i.cache, i.progress = t.TempDir(), new(bytes.Buffer)
			if _, err := i.install(t.Context(), toy); !errors.Is(err, broken) {
				t.Fatalf("error: got %v, want %v", err, broken)
			}
			if installed(filepath.Join(i.cache, "toy-1")) {
				t.Error("the engine counts as installed")
			}
			i.fetch = fetchToy
			if _, err := i.install(t.Context(), toy); err != nil {
				t.Errorf("second attempt: %v", err)
			}
		})
	}
}

func TestInstallThatWaitsObeysItsContext(t *testing.T) {
	cache := t.TempDir()
	holder := installer{cache: cache, progress: new(bytes.Buffer)}
	unlock, err := holder.lock(t.Context(), toy)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()

	gaveUp := errors.New("gave up")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gaveUp)
	var progress bytes.Buffer
	i := installer{cache: cache, fetch: fetchToy, progress: &progress}
	if _, err := i.install(ctx, toy); !errors.Is(err, gaveUp) {
		t.Errorf("error: got %v, want %v", err, gaveUp)
	}
	if want := "waiting for another process"; !strings.Contains(progress.String(), want) {
		t.Errorf("progress: got %q, want %q in it", progress.String(), want)
	}
}

func TestInstallMakesEnginesRunnableByAll(t *testing.T) {
	i := installer{cache: t.TempDir(), fetch: fetchToy, progress: new(bytes.Buffer)}
	dir, err := i.install(t.Context(), toy)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "toy"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o755); got != want {
		t.Errorf("mode: got %v, want %v", got, want)
	}
}

func TestSupportedPlatforms(t *testing.T) {
	if err := supported("linux", "amd64"); err != nil {
		t.Errorf("linux/amd64: got %v", err)
	}
	for _, platform := range [][2]string{{"darwin", "arm64"}, {"linux", "arm64"}, {"windows", "amd64"}} {
		err := supported(platform[0], platform[1])
		if err == nil || !strings.Contains(err.Error(), "DEVSTACK_DATABASE_URL") {
			t.Errorf("%s: got %v, want an error that names the way out", platform, err)
		}
	}
}

func TestInstallWithoutNPM(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := npmInstall(t.Context(), toy, t.TempDir())
	if err == nil || !strings.HasPrefix(err.Error(), "npm is missing") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line that says npm is missing", err)
	}
}

func TestNPMReason(t *testing.T) {
	out := "npm warn Unknown user config\nnpm error code ETARGET\nnpm error notarget No matching version found for toy@9.\nnpm error A complete log of this run can be found in: somewhere\n"
	if got, want := npmReason(out), "code ETARGET; notarget No matching version found for toy@9."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCacheDir(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	open := t.TempDir()
	t.Setenv("DEVSTACK_CACHE", filepath.Join(open, "engines"))
	for parent := open; parent != os.TempDir(); parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := cacheDir(); err != nil || got != filepath.Join(open, "engines") {
		t.Errorf("DEVSTACK_CACHE: got %q, %v", got, err)
	}
	if err := os.Chmod(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, want := enterableByAll(filepath.Join(open, "engines")), false; got != want {
		t.Errorf("enterable below a private folder: got %v, want %v", got, want)
	}
	t.Setenv("DEVSTACK_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", open)
	want := filepath.Join(open, cacheName)
	if os.Geteuid() == 0 {
		want = filepath.Join("/var/cache", cacheName)
	}
	if got, err := cacheDir(); err != nil || got != want {
		t.Errorf("private cache: got %q, %v, want %q", got, err, want)
	}
}
