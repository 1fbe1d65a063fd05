package settings

import (
	"embed"
	"strings"
)

// The examples are those of deploy/verify and the README, which tests run.
//
//go:embed verify
var verifyFiles embed.FS

// language is an example of how to verify a signature.
type language struct{ Name, Code string }

var languages = []language{
	{"JavaScript (Node)", example("verify.js")}, {"Python", example("verify.py")}, {"Go", example("verify.go.txt")},
	{"PHP", example("verify.php")}, {"Ruby", example("verify.rb")}, {"Shell", example("verify.sh")},
}

func example(name string) string {
	code, err := verifyFiles.ReadFile("verify/" + name)
	if err != nil {
		panic(err) // It is embedded.
	}
	return strings.TrimSpace(string(code))
}
