package recipes_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// built is a stage on its way: its files, and what its commands set.
type built struct {
	root    string // The folder of its files.
	machine bool   // The machine's own files are below, in place of a base image.
	workdir string
	args    map[string]string
	user    string
	run     []string // ENTRYPOINT and CMD.
}

// build carries out the Dockerfile and returns its last stage. It knows the
// commands that the Dockerfile has, and fails at others.
func build(t *testing.T, args map[string]string) built {
	t.Helper()
	done := map[string]built{}
	var last built
	for _, stage := range dockerfile(t) {
		last = built{root: t.TempDir(), machine: stage.BaseName != "scratch", workdir: "/", args: map[string]string{}}
		for _, command := range stage.Commands {
			last.do(t, command, args, done)
		}
		done[stage.Name] = last
	}
	return last
}

func (b *built) do(t *testing.T, command instructions.Command, args map[string]string, done map[string]built) {
	t.Helper()
	switch c := command.(type) {
	case *instructions.WorkdirCommand:
		b.workdir = c.Path
		if err := os.MkdirAll(filepath.Join(b.root, c.Path), 0o755); err != nil {
			t.Fatal(err)
		}
	case *instructions.ArgCommand:
		for _, arg := range c.Args {
			b.args[arg.Key] = args[arg.Key]
		}
	case *instructions.CopyCommand:
		for _, source := range c.SourcePaths {
			b.copyFrom(t, c.From, source, c.DestPath, done)
		}
	case *instructions.RunCommand:
		b.execute(t, c)
	case *instructions.UserCommand:
		b.user = c.User
	case *instructions.EntrypointCommand:
		b.run = c.CmdLine
	case *instructions.CmdCommand:
		b.run = append(b.run, c.CmdLine...)
	case *instructions.LabelCommand, *instructions.ExposeCommand, *instructions.HealthCheckCommand:
	default:
		t.Fatalf("the Dockerfile has %s, which this test cannot carry out", command.Name())
	}
}

// copyFrom copies a file of another stage, or of the context.
func (b *built) copyFrom(t *testing.T, stage, source, dest string, done map[string]built) {
	t.Helper()
	to := filepath.Join(b.root, b.workdir, dest)
	if filepath.IsAbs(dest) {
		to = filepath.Join(b.root, dest)
	}
	switch {
	case stage != "":
		from := filepath.Join(done[stage].root, source)
		if _, err := os.Stat(from); err != nil && done[stage].machine {
			from = source
		}
		copyFile(t, from, to)
	case source == ".":
		copyContext(t, to)
	default:
		copyFile(t, filepath.Join(top, source), filepath.Join(to, filepath.Base(source)))
	}
}

// execute runs a command as the builder does, the machine's caches of Go in
// place of its own.
func (b *built) execute(t *testing.T, c *instructions.RunCommand) {
	t.Helper()
	if !c.PrependShell {
		t.Fatalf("RUN %q has no shell, which this test does not expect", c.CmdLine)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Join(c.CmdLine, " "))
	cmd.Dir = filepath.Join(b.root, b.workdir)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	for key, value := range b.args {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("RUN %s: %v\n%s", strings.Join(c.CmdLine, " "), err, out)
	}
}

// copyContext copies what Dockerfile.dockerignore lets into the context, but
// .git: the version is given as an argument.
func copyContext(t *testing.T, to string) {
	t.Helper()
	file, err := os.Open("../Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, path)
		if err != nil || name == "." {
			return err
		}
		if name == ".git" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		ignored, err := matcher.MatchesOrParentMatches(name)
		switch {
		case err != nil:
			return err
		case ignored && entry.IsDir() && filepath.Dir(name) == ".":
			return fs.SkipDir // No exception of ours is deeper than that.
		case ignored || entry.IsDir():
			return nil
		}
		copyFile(t, path, filepath.Join(to, name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
		t.Fatal(err)
	}
}
