package cdc

import (
	"errors"
	"testing"

	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"
)

// An insert into relation 1 of one column with the text "ab", as bytes.
var insertBytes = []byte{'I', 0, 0, 0, 1, 'N', 0, 1, 't', 0, 0, 0, 2, 'a', 'b'}

func TestMessageDecodes(t *testing.T) {
	message, err := decodeMessage(insertBytes)
	if err != nil {
		t.Fatal(err)
	}
	insert, ok := message.(*pglogrepl.InsertMessage)
	if !ok || insert.RelationID != 1 || string(insert.Tuple.Columns[0].Data) != "ab" {
		t.Errorf("decoded %#v", message)
	}
}

func TestMalformedMessagesAreErrors(t *testing.T) {
	huge := append([]byte{}, insertBytes...)
	huge[9] = 0xff // A value of nearly 4 GiB.
	for name, data := range map[string][]byte{
		"empty":              {},
		"unknown type":       {'?', 1, 2, 3},
		"a huge value":       huge,
		"a cut relation":     {'R', 0, 0, 0, 1, 'p', 0, 's', 0},
		"a cut truncate":     {'T', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1},
		"a cut update":       {'U', 0, 0, 0, 1, 'K'},
		"a delete of no key": {'D', 0, 0, 0, 1},
	} {
		if message, err := decodeMessage(data); err == nil {
			t.Errorf("%s: decoded %#v, want an error", name, message)
		}
	}
	if _, err := decodeMessage(huge); !errors.Is(err, errDesync) {
		t.Errorf("error is %v, want desync", err)
	}
}

func TestNoMessagePanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]byte("BCORYIUDTMSEcA")).Draw(t, "kind")
		body := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 1, 'N', 'K', 'O', 't', 'u', 'n'})), 0, 60).Draw(t, "body")
		message, err := decodeMessage(append([]byte{kind}, body...))
		if (message == nil) == (err == nil) {
			t.Fatalf("decoded %#v with error %v", message, err)
		}
	})
}
