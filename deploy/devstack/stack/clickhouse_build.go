package stack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// buildClickHouse returns the program that serves the engine, built from
// deploy/devstack/clickhouse into the cache. It is built once per
// state of its sources and version of Go, by one process at a time.
func buildClickHouse(ctx context.Context) (program string, err error) {
	source, err := clickhouseSource()
	if err != nil {
		return "", fmt.Errorf("build the clickhouse server: %w", err)
	}
	key, err := sourceKey(source)
	if err != nil {
		return "", fmt.Errorf("build the clickhouse server: read its sources: %w", err)
	}
	cache, err := cacheDir()
	if err != nil {
		return "", fmt.Errorf("build the clickhouse server: %w", err)
	}
	e := engine{
		name:    "clickhouse-http-" + key,
		pkg:     "go build deploy/devstack/clickhouse",
		version: key,
		size:    "11 MB",
	}
	build := func(ctx context.Context, _ engine, dir string) error {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "clickhouse"), ".")
		cmd.Dir = source
		// Without cgo the library is loaded by the program itself, so that no C compiler is needed.
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build in %s: %w: %s", source, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	dir, err := installer{cache: cache, fetch: build, progress: os.Stderr}.install(ctx, e)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "clickhouse"), nil
}

// clickhouseSource finds the sources beside this file or, where file names
// were trimmed from the binary, below the folder of the module that is worked in.
func clickhouseSource() (string, error) {
	const below = "deploy/devstack/clickhouse"
	var candidates []string
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		candidates = append(candidates, filepath.Join(filepath.Dir(file), "..", "clickhouse"))
	}
	if dir, err := os.Getwd(); err == nil {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			candidates = append(candidates, filepath.Join(dir, below))
		}
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("its sources, " + below + ", are neither beside the sources of this program nor above the working directory")
}

// sourceKey hashes what the build depends on: names and contents of the sources, and Go.
func sourceKey(dir string) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.Version())
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%s %d\n", name, len(text))
		hash.Write(text)
		return nil
	})
	return fmt.Sprintf("%x", hash.Sum(nil)[:6]), err
}
