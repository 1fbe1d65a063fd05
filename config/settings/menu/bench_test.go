package menu_test

import (
	"strings"
	"testing"

	"plausible-webhooks/config/settings/menu"
)

func BenchmarkSplice(b *testing.B) {
	document := []byte("<!DOCTYPE html><body>" + list + sidebar("general") + strings.Repeat("<p class=\"x\">some <b>text</b></p>\n", 3000))
	b.SetBytes(int64(len(document)))
	for b.Loop() {
		if _, ok := menu.Splice(document, domain); !ok {
			b.Fatal("not recognised")
		}
	}
}
