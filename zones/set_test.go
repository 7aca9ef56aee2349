package zones

import (
	"slices"
	"testing"
)

func TestNameOfASet(t *testing.T) {
	zone := func(name string, owners ...string) *Zone {
		z := &Zone{Name: name}
		for _, owner := range owners {
			z.Names = append(z.Names, &Name{Name: owner, Zone: z})
		}
		return z
	}
	set := &Set{Zones: []*Zone{
		zone("eu.example.com.", "app.eu.example.com.", "eu.example.com."),
		zone("example.com.", "*.example.com.", `a\.b.example.com.`, "app.example.com."),
		zone("example.org."),
	}}
	for owner, in := range map[string]string{
		"app.eu.example.com.": "eu.example.com.", "eu.example.com.": "eu.example.com.", "app.example.com.": "example.com.",
		"*.example.com.": "example.com.", `a\.b.example.com.`: "example.com.",
		"example.com.": "", "b.example.com.": "", "app.example.org.": "", "com.": "", ".": "", "": "", "app.example.com": "",
	} {
		name := set.Name(owner)
		if (name == nil) != (in == "") || name != nil && (name.Name != owner || name.Zone.Name != in) {
			t.Errorf("%q: %+v, want one of zone %q", owner, name, in)
		}
	}
}

func TestNamesBeginning(t *testing.T) {
	var com, org []*Name
	for _, name := range []string{"api.example.com.", "app.eu.example.com.", "app.example.com.", "apple.example.com."} {
		com = append(com, &Name{Name: name})
	}
	org = append(org, &Name{Name: "app.example.org."})
	set := &Set{Zones: []*Zone{{Name: "example.com.", Names: com}, {Name: "example.org.", Names: org}}}
	for text, want := range map[string][]string{
		"app": {"app.eu.example.com.", "app.example.com.", "app.example.org."}, "App.example": {"app.example.com.", "app.example.org."},
		"app.eu.": {"app.eu.example.com."}, "ap": nil, "": nil, ".": nil, "zebra": nil,
	} {
		var got []string
		for _, n := range set.NamesBeginning(text, 10) {
			got = append(got, n.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if n := len(set.NamesBeginning("app", 2)); n != 2 {
		t.Errorf("%d names, where 2 were to be listed at most", n)
	}
}

func TestQualified(t *testing.T) {
	for text, want := range map[string]string{
		"app.example.com": "app.example.com.", "App.Example.com.": "app.example.com.", "*.Example.com": "*.example.com.", ".": ".", "": ".",
		"bücher.example": "xn--bcher-kva.example.", "BÜCHER.Example.": "xn--bcher-kva.example.", "xn--BCHER-kva.example": "xn--bcher-kva.example.",
		"_dmarc.bücher.example": "_dmarc.xn--bcher-kva.example.", "*.bücher.example": "*.xn--bcher-kva.example.",
	} {
		if got := Qualified(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
