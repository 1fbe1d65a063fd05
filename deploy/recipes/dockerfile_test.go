package recipes_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// top is the top of the repository, from here.
const top = "../.."

// dockerfile is deploy/Dockerfile as BuildKit reads it; a warning is a failure.
func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	file, err := os.Open("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	parsed, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range parsed.Warnings {
		t.Errorf("deploy/Dockerfile: %s", warning.Short)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 {
		t.Fatalf("deploy/Dockerfile has %d stages; want the build and the image", len(stages))
	}
	return stages
}

// commands are those of a type.
func commands[T instructions.Command](stage instructions.Stage) (found []T) {
	for _, command := range stage.Commands {
		if c, ok := command.(T); ok {
			found = append(found, c)
		}
	}
	return found
}

func TestTheBuildRunsOnTheBuildersPlatform(t *testing.T) {
	build := dockerfile(t)[0]
	if build.Platform != "$BUILDPLATFORM" {
		t.Errorf("the build is FROM --platform=%s; want $BUILDPLATFORM, so that no emulator is needed", build.Platform)
	}
	module, err := os.ReadFile(top + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(module), "\ngo ")
	version = strings.Join(strings.Split(strings.Fields(version)[0], ".")[:2], ".")
	if !strings.HasPrefix(build.BaseName, "golang:"+version+"-") {
		t.Errorf("the build is FROM %s; want Go %s as in go.mod", build.BaseName, version)
	}
	runs := commands[*instructions.RunCommand](build)
	compile := strings.Join(runs[len(runs)-1].CmdLine, " ")
	for _, want := range []string{"CGO_ENABLED=0", "GOOS=$TARGETOS", "GOARCH=$TARGETARCH", "-trimpath", "-X main.version="} {
		if !strings.Contains(compile, want) {
			t.Errorf("the program is built without %s: %s", want, compile)
		}
	}
}

func TestTheImageIsTheProgramAlone(t *testing.T) {
	image := dockerfile(t)[1]
	if image.BaseName != "scratch" {
		t.Errorf("the image is FROM %s; want scratch", image.BaseName)
	}
	for _, command := range image.Commands {
		switch command.Name() {
		case "RUN", "ADD", "SHELL", "VOLUME":
			t.Errorf("the image has %s; want none, as it has no shell and keeps nothing", command.Name())
		}
	}
	user := commands[*instructions.UserCommand](image)
	if len(user) != 1 {
		t.Fatalf("USER stands there %d times; want once", len(user))
	}
	for number := range strings.SplitSeq(user[0].User, ":") {
		if n, err := strconv.Atoi(number); err != nil || n < 1000 {
			t.Errorf("USER is %s; want numbers, and not those of root or the system", user[0].User)
		}
	}
	check := commands[*instructions.HealthCheckCommand](image)
	if len(check) != 1 || !slices.Equal(check[0].Health.Test, []string{"CMD", "/plausible-webhooks", "health"}) {
		t.Errorf("HEALTHCHECK is %v; want the binary itself, without a shell", check)
	}
	labels := map[string]bool{}
	for _, label := range commands[*instructions.LabelCommand](image) {
		for _, pair := range label.Labels {
			labels[pair.Key] = true
		}
	}
	for _, want := range []string{"title", "description", "version"} {
		if !labels["org.opencontainers.image."+want] {
			t.Errorf("LABEL org.opencontainers.image.%s is missing", want)
		}
	}
	entry := commands[*instructions.EntrypointCommand](image)
	if len(entry) != 1 || entry[0].PrependShell || !slices.Equal(entry[0].CmdLine, []string{"/plausible-webhooks"}) {
		t.Errorf("ENTRYPOINT is %v; want the binary, so that commands follow the image's name", entry)
	}
}
