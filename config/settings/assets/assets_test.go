package assets_test

import (
	"regexp"
	"strings"
	"testing"

	"plausible-webhooks/config/settings/assets"
)

func TestAssetsAreServedUnderTheirHash(t *testing.T) {
	for plain, contentType := range map[string]string{"pw.css": "text/css; charset=utf-8", "pw.js": "text/javascript; charset=utf-8"} {
		name := assets.Path(plain)
		if !regexp.MustCompile(`^pw-[0-9a-f]{12}\.(css|js)$`).MatchString(name) {
			t.Errorf("%s is served as %s", plain, name)
		}
		content, got, ok := assets.Open(name)
		if !ok || got != contentType || len(content) == 0 {
			t.Errorf("Open(%s) = %d bytes of %q, %v", name, len(content), got, ok)
		}
		if strings.Contains(string(content), "http:") || strings.Contains(string(content), "https:") || strings.Contains(string(content), "@import") {
			t.Errorf("%s loads something from elsewhere", plain)
		}
	}
	for _, name := range []string{"", "pw.css", "pw-000000000000.css", "../assets.go"} {
		if _, _, ok := assets.Open(name); ok {
			t.Errorf("Open(%q) found something", name)
		}
	}
}

// Plausible's own stylesheet and ours must not meet.
func TestEveryClassIsOurs(t *testing.T) {
	content, _, _ := assets.Open(assets.Path("pw.css"))
	comments := regexp.MustCompile(`(?s)/\*.*?\*/`)
	for _, class := range regexp.MustCompile(`\.([a-zA-Z][\w-]*)`).FindAllSubmatch(comments.ReplaceAll(content, nil), -1) {
		if name := string(class[1]); name != "dark" && name != "pw" && !strings.HasPrefix(name, "pw-") {
			t.Errorf("class %q could be Plausible's", name)
		}
	}
}
