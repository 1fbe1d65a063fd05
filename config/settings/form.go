package settings

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"plausible-webhooks/config/store"
)

// form is what a person typed and what is wrong with it. Secrets are never
// among the values.
type form struct {
	values  url.Values
	wrongs  map[string]string
	Order   []string // Fields with a mistake, as they came up.
	General []string // Mistakes that belong to no field.
}

func newForm(values url.Values) *form {
	own := maps.Clone(values)
	if own == nil {
		own = url.Values{}
	}
	return &form{values: own, wrongs: map[string]string{}}
}

// Value is what stands in a field.
func (f *form) Value(name string) string { return strings.TrimSpace(f.values.Get(name)) }

// Has tells whether a box is ticked.
func (f *form) Has(name string) bool { return f.values.Get(name) != "" }

// Error is what is wrong with a field, as a sentence.
func (f *form) Error(name string) string { return f.wrongs[name] }

// Bad reports whether anything is wrong.
func (f *form) Bad() bool { return len(f.Order)+len(f.General) > 0 }

// Count is how many things are wrong.
func (f *form) Count() int { return len(f.Order) + len(f.General) }

// wrong notes a mistake; the first of a field stands.
func (f *form) wrong(name, message string) {
	if f.wrongs[name] != "" {
		return
	}
	f.wrongs[name] = sentence(message)
	f.Order = append(f.Order, name)
}

// take notes the mistakes that the store found. Rename tells the name of the
// field on the page; empty: there is none. Other errors are returned.
func (f *form) take(err error, rename func(field string) string) error {
	invalid, ok := errors.AsType[*store.Invalid](err)
	if !ok {
		return err
	}
	for _, mistake := range invalid.Fields {
		if name := rename(mistake.Field); name != "" {
			f.wrong(name, mistake.Message)
			continue
		}
		f.General = append(f.General, sentence(mistake.Message))
	}
	return nil
}

// first moves the mistakes of fields to the front, in the order of the page.
func (f *form) first(names ...string) {
	place := func(name string) int {
		if i := slices.Index(names, name); i >= 0 {
			return i
		}
		return len(names)
	}
	slices.SortStableFunc(f.Order, func(a, b string) int { return place(a) - place(b) })
}

// whole reads a whole number of at least one; empty is zero.
func (f *form) whole(name, unit string) int {
	text := strings.NewReplacer(",", "", " ", "", "\u00a0", "").Replace(f.Value(name))
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		f.wrong(name, "Enter a whole number of "+unit+", 1 or more.")
		return 0
	}
	return int(n)
}

// listed reads one of the numbers that a list offers; empty is false.
func (f *form) listed(name string) (int, bool) {
	text := f.Value(name)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		f.wrong(name, "Choose one of the list.")
		return 0, false
	}
	return int(n), true
}

// Field is a field as templates show it.
func (f *form) Field(name, label, hint string) field {
	return field{Name: name, Label: label, Hint: hint, Value: f.Value(name), Error: f.Error(name)}
}

// Select is a field with a list.
func (f *form) Select(name, label, hint string, options []option) field {
	field := f.Field(name, label, hint)
	for _, o := range options {
		o.Selected = o.Value == field.Value
		field.Options = append(field.Options, o)
	}
	return field
}

// Box is a field that can be ticked.
func (f *form) Box(name, label, hint string) field {
	field := f.Field(name, label, hint)
	field.On = f.Has(name)
	return field
}

// Choice is one of several, of which one is taken.
func (f *form) Choice(name, value, label, hint string) field {
	return field{Name: name, Label: label, Hint: hint, Value: value, On: f.Value(name) == value, Error: f.Error(name), suffix: "-" + value}
}

// option is an entry of a list.
type option struct {
	Value, Label string
	Selected     bool
}

// field is a field with its label, hint and mistake.
type field struct {
	Name, Label, Hint, Value, Error string
	Options                         []option
	On                              bool
	suffix                          string
}

// ID is that of the element.
func (f field) ID() string { return "pw-" + f.Name + f.suffix }

// DescribedBy are the ids of what describes the field.
func (f field) DescribedBy() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID()+"-hint")
	}
	if f.Error != "" && f.suffix == "" {
		ids = append(ids, f.ID()+"-error")
	}
	return strings.Join(ids, " ")
}

// sentence makes one of a clause in lower case.
func sentence(clause string) string {
	if clause == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(clause)
	text := string(unicode.ToUpper(first)) + clause[size:]
	if strings.ContainsAny(text[len(text)-1:], ".?!") {
		return text
	}
	return text + "."
}
