package zones

import "testing"

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
