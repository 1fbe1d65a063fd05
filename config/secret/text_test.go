package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"plausible-webhooks/config/secret"
)

const hidden = "open sesame 0123456789"

func TestTextNeverPrints(t *testing.T) {
	text := secret.New(hidden)
	holder := struct {
		Public  secret.Text
		private secret.Text
		Pointer *secret.Text
		List    []secret.Text
		Map     map[string]secret.Text
	}{text, text, &text, []secret.Text{text}, map[string]secret.Text{"k": text}}

	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%-40s", "%T %v", "%t", "%U", "%e", "%p"} {
		args := []any{text}
		if strings.HasPrefix(verb, "%T") {
			args = append(args, text)
		}
		shown = append(shown, fmt.Sprintf(verb, args...), fmt.Sprintf(verb, append([]any{holder}, args[1:]...)...), fmt.Sprintf(verb, append([]any{&holder}, args[1:]...)...))
	}
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	asXML, err := xml.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("m", "s", text, "h", holder)
	slog.New(slog.NewTextHandler(&logs, nil)).Info("m", "s", text, "h", holder)
	for _, asJSON := range []bool{true, false} {
		hclog.New(&hclog.LoggerOptions{Output: &logs, JSONFormat: asJSON}).Info("m", "s", text, "h", holder, "l", holder.List)
	}
	shown = append(shown, string(asJSON), string(asXML), logs.String(), fmt.Sprint(text), fmt.Errorf("x: %v", text).Error())

	for _, s := range shown {
		for _, leak := range []string{hidden, "sesame", fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden)} {
			if strings.Contains(s, leak) {
				t.Errorf("%q shows the secret", s)
			}
		}
	}
	for _, got := range []string{fmt.Sprintf("%v", text), fmt.Sprintf("%#v", text), fmt.Sprintf("%x", text), text.GoString()} {
		if got != "<secret>" {
			t.Errorf("got %q, want <secret>", got)
		}
	}
	if !strings.Contains(string(asJSON), `"Public":"\u003csecret\u003e"`) {
		t.Errorf("JSON: got %s, want a placeholder", asJSON)
	}
}

func TestTextReveals(t *testing.T) {
	if got := secret.New(hidden).Reveal(); got != hidden {
		t.Errorf("got %q, want %q", got, hidden)
	}
	var text secret.Text
	if err := text.UnmarshalText([]byte(hidden)); err != nil || text.Reveal() != hidden {
		t.Errorf("unmarshalled: got %q, %v, want %q", text.Reveal(), err, hidden)
	}
	if !text.Equal(secret.New(hidden)) || text.Equal(secret.New("other")) || text.Equal(secret.Text{}) {
		t.Error("Equal does not compare the contents")
	}
}

func TestEmptyTextPrintsAsEmpty(t *testing.T) {
	for _, text := range []secret.Text{{}, secret.New("")} {
		if got := fmt.Sprintf("%v%s%#v", text, text, text); got != "" || !text.Empty() || text.Reveal() != "" {
			t.Errorf("got %q, want nothing", got)
		}
	}
}

func TestTextIsRefusedByDrivers(t *testing.T) {
	if v, err := secret.New(hidden).Value(); err == nil || v != nil || errors.Unwrap(err) != nil {
		t.Errorf("got %v, %v, want an error", v, err)
	}
}
