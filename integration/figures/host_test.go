package figures

import (
	"regexp"
	"testing"
)

func TestHost(t *testing.T) {
	want := regexp.MustCompile(`^[1-9]\d* processors \(.+\), Linux [\d.]+.*, go\S+(?: .*)?; load average \d+\.\d\d\.$`)
	if got := Host(); !want.MatchString(got) {
		t.Errorf("Host() = %q, want what %v matches", got, want)
	}
}
