package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gslb/zones/problem"
)

// decoder fills raw types from the tables that the TOML parser made.
//
// The parser's own decoding into structs is not used: it stops at the first value of a wrong type,
// treats Interval and interval as the same key (so that one of the two is silently lost), and reads
// a bare number as a duration in nanoseconds.
type decoder struct {
	*problem.Report
	fields map[reflect.Type][]field

	// The current position, as steps from a place. A Place is made of it only for a report.
	from *problem.Place
	path []step
}

// step is a key of a table, with item noItem, or an item of a list.
type step struct {
	key  string
	item int
}

const noItem = -1

func keyStep(key string) step { return step{key, noItem} }

func newDecoder(r *problem.Report) *decoder {
	return &decoder{Report: r, fields: make(map[reflect.Type][]field)}
}

// field is one key of a raw type.
type field struct {
	key      string
	index    []int
	required bool
	or       []string // other keys, any of which will do if it is required
}

// table fills dst, a pointer to a raw type, from the table at a place. kind ends the message for
// an unknown key, where it depends on something else in the table.
func (d *decoder) table(at *problem.Place, table map[string]any, dst any, kind string) {
	d.from, d.path = at, d.path[:0]
	d.into(table, dst, kind)
}

// element is table for a value that may be none.
func (d *decoder) element(at *problem.Place, v any, dst any) bool {
	d.from, d.path = at, d.path[:0]
	return d.value(v, reflect.ValueOf(dst).Elem())
}

// into is table for the place that the decoder is at.
func (d *decoder) into(table map[string]any, dst any, kind string) {
	if t, ok := dst.(interface{ defaults() }); ok {
		t.defaults()
	}
	v := reflect.ValueOf(dst).Elem()
	fields := d.fieldsOf(v.Type())
	known := 0
	for _, f := range fields {
		value, ok := table[f.key]
		switch {
		case ok:
			known++
			d.at(keyStep(f.key), value, v.FieldByIndex(f.index))
		case f.required && !slices.ContainsFunc(f.or, func(key string) bool { return table[key] != nil }):
			what := expected(v.FieldByIndex(f.index).Type())
			for _, key := range f.or {
				what += ", or the key " + key
			}
			d.Add(d.here().Key(f.key), "missing; expected %s", what)
		}
	}
	if known < len(table) {
		d.unknownKeys(d.here(), table, fields, kind)
	}
}

// at fills dst from v, which lies one step further on.
func (d *decoder) at(s step, v any, dst reflect.Value) bool {
	d.path = append(d.path, s)
	ok := d.value(v, dst)
	d.path = d.path[:len(d.path)-1]
	return ok
}

// here is the place that the decoder is at.
func (d *decoder) here() *problem.Place {
	at := d.from
	for _, s := range d.path {
		if s.item == noItem {
			at = at.Key(s.key)
		} else {
			at = at.Index(s.item)
		}
	}
	return at
}

// fieldsOf lists the keys of a raw type, those of embedded ones too.
func (d *decoder) fieldsOf(t reflect.Type) []field {
	if fields, ok := d.fields[t]; ok {
		return fields
	}
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		if key, flag, _ := strings.Cut(f.Tag.Get("toml"), ","); key != "" {
			flag, or, _ := strings.Cut(flag, " or ")
			fields = append(fields, field{key, f.Index, flag == "required", strings.Fields(strings.ReplaceAll(or, " or ", " "))})
		}
	}
	d.fields[t] = fields
	return fields
}

func (d *decoder) unknownKeys(at *problem.Place, table map[string]any, fields []field, kind string) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	for _, key := range sortedKeys(table) {
		if !slices.Contains(keys, key) {
			d.Add(at.Key(key), "unknown key %q%s; %s", key, kind, meant(key, keys))
		}
	}
}

// value fills dst from v. If v is of another type, it says so, leaves dst, and with it the
// default, alone, and returns false.
func (d *decoder) value(v any, dst reflect.Value) bool {
	switch dst.Kind() {
	case reflect.Interface:
		dst.Set(reflect.ValueOf(v))
		return true
	case reflect.Pointer:
		elem := reflect.New(dst.Type().Elem())
		if !d.value(v, elem.Elem()) {
			return false
		}
		dst.Set(elem)
		return true
	}

	switch v := v.(type) {
	case string:
		if dst.Type() == durationType {
			if t, err := parseDuration(v); err == nil {
				dst.Set(reflect.ValueOf(duration{t, v}))
				return true
			}
		} else if dst.Kind() == reflect.String {
			dst.SetString(v)
			return true
		}
	case int64:
		if dst.Kind() == reflect.Int64 {
			dst.SetInt(v)
			return true
		}
	case bool:
		if dst.Kind() == reflect.Bool {
			dst.SetBool(v)
			return true
		}
	case []any:
		if dst.Kind() == reflect.Slice {
			return d.list(v, dst)
		}
	case map[string]any:
		switch {
		case dst.Type() == durationType:
		case dst.Kind() == reflect.Struct:
			d.into(v, dst.Addr().Interface(), "")
			return true
		case dst.Kind() == reflect.Map:
			d.keyed(v, dst)
			return true
		}
	}
	d.Add(d.here(), "found %s; expected %s", describe(v), expected(dst.Type()))
	return false
}

// list fills a slice, or leaves it nil if one of the items is wrong.
func (d *decoder) list(items []any, dst reflect.Value) bool {
	list, ok := reflect.MakeSlice(dst.Type(), len(items), len(items)), true
	for i, item := range items {
		ok = d.at(step{item: i}, item, list.Index(i)) && ok
	}
	if ok {
		dst.Set(list)
	}
	return ok
}

// keyed fills a map: a table whose keys are the operator's own. A key whose value is wrong
// has the zero value.
func (d *decoder) keyed(table map[string]any, dst reflect.Value) {
	if dst.Type() == reflect.TypeFor[rawTable]() {
		dst.Set(reflect.ValueOf(rawTable(table))) // it is decoded later
		return
	}
	dst.Set(reflect.MakeMapWithSize(dst.Type(), len(table)))
	for _, key := range sortedKeys(table) {
		v := table[key]
		elem := reflect.New(dst.Type().Elem()).Elem()
		d.at(keyStep(key), v, elem)
		dst.SetMapIndex(reflect.ValueOf(key), elem)
	}
}

var durationType = reflect.TypeFor[duration]()

// expected says what kind of value a field of type t takes.
func expected(t reflect.Type) string {
	switch {
	case t == durationType:
		return `a duration such as "5s"`
	case t == reflect.TypeFor[[]string]():
		return "a list of strings"
	case t == reflect.TypeFor[[]any]():
		return "a list of numbers or strings"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int64:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Pointer:
		return expected(t.Elem())
	case reflect.Interface:
		return "a value"
	default:
		return "a table"
	}
}

// describe says what a TOML value is.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case int64, bool:
		return fmt.Sprint(v)
	case float64:
		if s := fmt.Sprint(v); v != math.Trunc(v) || strings.Contains(s, "e") || math.IsInf(v, 0) {
			return s
		}
		return strconv.FormatFloat(v, 'f', 1, 64) // 2.0 is no whole number in TOML
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	default:
		return "a date or time"
	}
}
