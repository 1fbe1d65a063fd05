// Package eventtest checks payloads against deploy/payload.schema.json, so
// that every test that sees a payload holds it to what receivers are promised.
// It is for tests only.
package eventtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Validate fails the test, but does not end it, if the payload is not one of
// the format "standard" as the schema describes it.
func Validate(t testing.TB, payload []byte) {
	t.Helper()
	if err := Check(payload); err != nil {
		t.Errorf("payload does not fit deploy/payload.schema.json: %v\npayload: %s", err, payload)
	}
}

// Check returns what of the payload does not fit the schema.
func Check(payload []byte) error {
	schema, err := compiled()
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("read payload as JSON: %w", err)
	}
	return schema.Validate(value)
}

// SchemaFile is the path of the schema, found from where this source file was
// compiled: tests of any package may call it.
func SchemaFile() string {
	_, source, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(source), "..", "..", "..", "deploy", "payload.schema.json")
}

var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	content, err := os.ReadFile(SchemaFile())
	if err != nil {
		return nil, fmt.Errorf("read payload schema: %w", err)
	}
	return Compile(content)
})

// Compile compiles a variant of the schema, with formats asserted.
func Compile(content []byte) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("read payload schema: %w", err)
	}
	const name = "payload.schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(name, document); err != nil {
		return nil, fmt.Errorf("add payload schema: %w", err)
	}
	schema, err := compiler.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("compile payload schema: %w", err)
	}
	return schema, nil
}
