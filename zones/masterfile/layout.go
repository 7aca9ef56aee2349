package masterfile

import "github.com/miekg/dns"

// part is one field of a record's data: what it is called and how it is read.
type part struct {
	what string
	read func(*builder, string)
}

// layouts says of what the data of a type consists, field by field. The types that are not
// here have a syntax of their own, or are read by another parser (see other.go).
var layouts = map[uint16][]part{
	dns.TypeA:     {{"address", (*builder).ipv4}},
	dns.TypeAAAA:  {{"address", (*builder).ipv6}},
	dns.TypeNS:    {{"nameserver", (*builder).name}},
	dns.TypeMD:    {{"mail destination", (*builder).name}},
	dns.TypeMF:    {{"mail forwarder", (*builder).name}},
	dns.TypeCNAME: {{"canonical name", (*builder).name}},
	dns.TypeSOA: {
		{"primary nameserver", (*builder).name},
		{"mailbox", (*builder).name},
		{"serial", (*builder).uint32},
		{"refresh", (*builder).period},
		{"retry", (*builder).period},
		{"expire", (*builder).period},
		{"minimum", (*builder).period},
	},
	dns.TypeMB:    {{"host", (*builder).name}},
	dns.TypeMG:    {{"mail group", (*builder).name}},
	dns.TypeMR:    {{"new mailbox", (*builder).name}},
	dns.TypePTR:   {{"name", (*builder).name}},
	dns.TypeHINFO: {{"cpu", (*builder).text}, {"os", (*builder).text}},
	dns.TypeMINFO: {{"mailbox", (*builder).name}, {"error mailbox", (*builder).name}},
	dns.TypeMX:    {{"preference", (*builder).uint16}, {"exchange", (*builder).name}},
	dns.TypeTXT:   {{"text", (*builder).texts}},
	dns.TypeSPF:   {{"text", (*builder).texts}},
	dns.TypeRP:    {{"mailbox", (*builder).name}, {"text name", (*builder).name}},
	dns.TypeAFSDB: {{"subtype", (*builder).uint16}, {"host", (*builder).name}},
	dns.TypeX25:   {{"address", (*builder).text}},
	dns.TypeISDN:  {{"address", (*builder).text}, {"subaddress", (*builder).optionalText}},
	dns.TypeRT:    {{"preference", (*builder).uint16}, {"host", (*builder).name}},
	dns.TypeKX:    {{"preference", (*builder).uint16}, {"exchanger", (*builder).name}},
	dns.TypeDNAME: {{"target", (*builder).name}},
	dns.TypeSRV: {
		{"priority", (*builder).uint16},
		{"weight", (*builder).uint16},
		{"port", (*builder).uint16},
		{"target", (*builder).name},
	},
	dns.TypeNAPTR: {
		{"order", (*builder).uint16},
		{"preference", (*builder).uint16},
		{"flags", (*builder).text},
		{"service", (*builder).text},
		{"regular expression", (*builder).text},
		{"replacement", (*builder).name},
	},
	dns.TypeLP:  {{"preference", (*builder).uint16}, {"name", (*builder).name}},
	dns.TypeNID: {{"preference", (*builder).uint16}, {"node", (*builder).node}},
	dns.TypeL32: {{"preference", (*builder).uint16}, {"locator", (*builder).ipv4}},
	dns.TypeL64: {{"preference", (*builder).uint16}, {"locator", (*builder).node}},
	dns.TypeCAA: {{"flags", (*builder).uint8}, {"tag", (*builder).tag}, {"value", (*builder).longText}},
	dns.TypeURI: {{"priority", (*builder).uint16}, {"weight", (*builder).uint16}, {"target", (*builder).longText}},

	dns.TypeLOC: {{"location", (*builder).location}},
	dns.TypeAPL: {{"prefixes", (*builder).prefixes}},

	dns.TypeDS:  digest,
	dns.TypeCDS: digest,
	dns.TypeDLV: digest,
	dns.TypeSSHFP: {
		{"algorithm", (*builder).uint8},
		{"fingerprint type", (*builder).uint8},
		{"fingerprint", (*builder).hex},
	},
	dns.TypeTLSA:   association,
	dns.TypeSMIMEA: association,
	dns.TypeCERT: {
		{"certificate type", (*builder).certType},
		{"key tag", (*builder).uint16},
		{"algorithm", (*builder).algorithm},
		{"certificate", (*builder).base64},
	},
	dns.TypeDNSKEY:  key,
	dns.TypeCDNSKEY: key,
	dns.TypeRRSIG: {
		{"type covered", (*builder).rrtype},
		{"algorithm", (*builder).algorithm},
		{"labels", (*builder).uint8},
		{"original TTL", (*builder).period},
		{"expiration", (*builder).moment},
		{"inception", (*builder).moment},
		{"key tag", (*builder).uint16},
		{"signer", (*builder).name},
		{"signature", (*builder).base64},
	},
	dns.TypeNSEC: {{"next name", (*builder).name}, {"types", (*builder).types}},
	dns.TypeNSEC3: {
		{"hash algorithm", (*builder).uint8},
		{"flags", (*builder).uint8},
		{"iterations", (*builder).uint16},
		{"salt", (*builder).salt},
		{"next hash", (*builder).base32},
		{"types", (*builder).types},
	},
	dns.TypeNSEC3PARAM: {
		{"hash algorithm", (*builder).uint8},
		{"flags", (*builder).uint8},
		{"iterations", (*builder).uint16},
		{"salt", (*builder).salt},
	},
	dns.TypeCSYNC: {{"serial", (*builder).uint32}, {"flags", (*builder).uint16}, {"types", (*builder).types}},
	dns.TypeZONEMD: {
		{"serial", (*builder).uint32},
		{"scheme", (*builder).uint8},
		{"hash algorithm", (*builder).uint8},
		{"digest", (*builder).hex},
	},
	dns.TypeDHCID:      {{"identifier", (*builder).base64}},
	dns.TypeOPENPGPKEY: {{"key", (*builder).base64}},
	dns.TypeEUI48:      {{"address", (*builder).eui48}},
	dns.TypeEUI64:      {{"address", (*builder).eui64}},

	dns.TypeSVCB:  service,
	dns.TypeHTTPS: service,
}

// Layouts that several types have.
var (
	digest = []part{
		{"key tag", (*builder).uint16},
		{"algorithm", (*builder).algorithm},
		{"digest type", (*builder).uint8},
		{"digest", (*builder).hex},
	}
	association = []part{
		{"usage", (*builder).uint8},
		{"selector", (*builder).uint8},
		{"matching type", (*builder).uint8},
		{"data", (*builder).hex},
	}
	key = []part{
		{"flags", (*builder).uint16},
		{"protocol", (*builder).uint8},
		{"algorithm", (*builder).algorithm},
		{"key", (*builder).base64},
	}
	service = []part{
		{"priority", (*builder).uint16},
		{"target", (*builder).name},
		{"parameters", (*builder).parameters},
	}
)
