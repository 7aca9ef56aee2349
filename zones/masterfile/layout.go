package masterfile

import "github.com/miekg/dns"

// part is one field of a record's data: what it is called and what form it has.
type part struct {
	what string
	form form
}

// form is how a field is written: as text in a master file, and in wire form.
type form struct {
	// read takes the field from the text and appends it in wire form.
	read func(b *builder, what string)
	// size is how many octets the field takes that begins at a place of the data; -1: none of
	// this form begins there. What stands before has its form.
	size func(data []byte, at int) int
	// name says that it is a domain name, or several, so that the case of letters does not
	// matter.
	name bool
}

// layouts lists the fields of the data of each type. The data of all other types is written in the
// generic form only (RFC 3597, section 5).
var layouts = map[uint16][]part{
	dns.TypeA:     {{"address", asIPv4}},
	dns.TypeNS:    {{"nameserver", asName}},
	dns.TypeMD:    {{"mail destination", asName}},
	dns.TypeMF:    {{"mail forwarder", asName}},
	dns.TypeCNAME: {{"canonical name", asName}},
	dns.TypeSOA: {
		{"primary nameserver", asName},
		{"mailbox", asName},
		{"serial", asUint32},
		{"refresh", asPeriod},
		{"retry", asPeriod},
		{"expire", asPeriod},
		{"minimum", asPeriod},
	},
	dns.TypeMB:      {{"host", asName}},
	dns.TypeMG:      {{"mail group", asName}},
	dns.TypeMR:      {{"new mailbox", asName}},
	typeWKS:         {{"address", asIPv4}, {"protocol", asProtocol}, {"services", asServices}},
	dns.TypePTR:     {{"name", asName}},
	dns.TypeHINFO:   {{"cpu", asText}, {"os", asText}},
	dns.TypeMINFO:   {{"mailbox", asName}, {"error mailbox", asName}},
	dns.TypeMX:      {{"preference", asUint16}, {"exchange", asName}},
	dns.TypeTXT:     {{"text", asTexts}},
	dns.TypeRP:      {{"mailbox", asName}, {"text name", asName}},
	dns.TypeAFSDB:   {{"subtype", asUint16}, {"host", asName}},
	dns.TypeX25:     {{"address", asDigits}},
	dns.TypeISDN:    {{"address", asText}, {"subaddress", asOptionalText}},
	dns.TypeRT:      {{"preference", asUint16}, {"host", asName}},
	typeNSAP:        {{"address", asNSAP}},
	dns.TypeNSAPPTR: {{"name", asName}},
	dns.TypeSIG:     signature,
	dns.TypeKEY: {
		{"flags", asKeyFlags},
		{"protocol", asKeyProtocol},
		{"algorithm", asAlgorithm},
		{"key", asKeyUnlessNone},
	},
	dns.TypePX:     {{"preference", asUint16}, {"RFC 822 name", asName}, {"X.400 name", asName}},
	dns.TypeGPOS:   {{"longitude", asText}, {"latitude", asText}, {"altitude", asText}},
	dns.TypeAAAA:   {{"address", asIPv6}},
	dns.TypeLOC:    {{"location", asLocation}},
	dns.TypeNXT:    {{"next name", asName}, {"types", asPlainBitmap}},
	dns.TypeEID:    {{"identifier", asHex}},
	dns.TypeNIMLOC: {{"locator", asHex}},
	dns.TypeSRV: {
		{"priority", asUint16},
		{"weight", asUint16},
		{"port", asUint16},
		{"target", asName},
	},
	typeATMA: {{"address", asATM}},
	dns.TypeNAPTR: {
		{"order", asUint16},
		{"preference", asUint16},
		{"flags", asText},
		{"service", asText},
		{"regular expression", asText},
		{"replacement", asName},
	},
	dns.TypeKX: {{"preference", asUint16}, {"exchanger", asName}},
	dns.TypeCERT: {
		{"certificate type", asCertificateType},
		{"key tag", asUint16},
		{"algorithm", asAlgorithm},
		{"certificate", asBase64},
	},
	typeA6:        {{"prefix length", asPrefixLength}, {"address suffix", asAddressSuffix}, {"prefix name", asPrefixName}},
	dns.TypeDNAME: {{"target", asName}},
	typeSINK: {
		{"coding", asUint8},
		{"subcoding", asUint8},
		{"meaning", asUint8},
		{"data", asOptionalBase64},
	},
	dns.TypeAPL: {{"prefixes", asPrefixes}},
	dns.TypeDS:  digest,
	dns.TypeSSHFP: {
		{"algorithm", asUint8},
		{"fingerprint type", asUint8},
		{"fingerprint", asHex},
	},
	dns.TypeIPSECKEY: {
		{"precedence", asUint8},
		{"gateway type", asGatewayType},
		{"algorithm", asUint8},
		{"gateway", asGatewayAddress},
		{"gateway", asGatewayName},
		{"key", asOptionalBase64},
	},
	dns.TypeRRSIG:  signature,
	dns.TypeNSEC:   {{"next name", asName}, {"types", asBitmap}},
	dns.TypeDNSKEY: key,
	dns.TypeDHCID:  {{"identifier", asBase64}},
	dns.TypeNSEC3: {
		{"hash algorithm", asUint8},
		{"flags", asUint8},
		{"iterations", asUint16},
		{"salt", asSalt},
		{"next hash", asBase32},
		{"types", asBitmap},
	},
	dns.TypeNSEC3PARAM: {
		{"hash algorithm", asUint8},
		{"flags", asUint8},
		{"iterations", asUint16},
		{"salt", asSalt},
	},
	dns.TypeTLSA:   association,
	dns.TypeSMIMEA: association,
	dns.TypeHIP:    {{"host identity", asHostIdentity}, {"rendezvous servers", asNames}},
	dns.TypeNINFO:  {{"text", asTexts}},
	dns.TypeRKEY: {
		{"flags", asNoFlags},
		{"protocol", asUint8},
		{"algorithm", asAlgorithm},
		{"key", asBase64},
	},
	dns.TypeTALINK:     {{"previous name", asName}, {"next name", asName}},
	dns.TypeCDS:        digest,
	dns.TypeCDNSKEY:    key,
	dns.TypeOPENPGPKEY: {{"key", asBase64}},
	dns.TypeCSYNC:      {{"serial", asUint32}, {"flags", asUint16}, {"types", asBitmap}},
	dns.TypeZONEMD: {
		{"serial", asUint32},
		{"scheme", asUint8},
		{"hash algorithm", asUint8},
		{"digest", asZoneDigest},
	},
	dns.TypeSVCB:  service,
	dns.TypeHTTPS: service,
	typeDSYNC: {
		{"type", asType},
		{"scheme", asNotifyScheme},
		{"port", asUint16},
		{"target", asName},
	},
	typeHHIT:      {{"identity", asBase64}},
	typeBRID:      {{"identity", asBase64}},
	dns.TypeSPF:   {{"text", asTexts}},
	dns.TypeNID:   {{"preference", asUint16}, {"node", asFourGroups}},
	dns.TypeL32:   {{"preference", asUint16}, {"locator", asIPv4}},
	dns.TypeL64:   {{"preference", asUint16}, {"locator", asFourGroups}},
	dns.TypeLP:    {{"preference", asUint16}, {"name", asName}},
	dns.TypeEUI48: {{"address", asEUI48}},
	dns.TypeEUI64: {{"address", asEUI64}},
	dns.TypeURI:   {{"priority", asUint16}, {"weight", asUint16}, {"target", asLongText}},
	dns.TypeCAA:   {{"flags", asUint8}, {"tag", asTag}, {"value", asLongText}},
	dns.TypeAVC:   {{"text", asTexts}},
	typeDOA: {
		{"enterprise", asUint32},
		{"type", asUint32},
		{"location", asUint8},
		{"media type", asText},
		{"data", asBase64OrNone},
	},
	dns.TypeAMTRELAY: {
		{"precedence", asUint8},
		{"discovery", asRelayDiscovery},
		{"relay type", asRelayType},
		{"relay", asGatewayAddress},
		{"relay", asGatewayName},
	},
	dns.TypeRESINFO: {{"text", asTexts}},
	typeWALLET:      {{"text", asTexts}},
	dns.TypeTA:      digest,
	dns.TypeDLV:     digest,
}

// Layouts that several types have.
var (
	digest = []part{
		{"key tag", asUint16},
		{"algorithm", asAlgorithm},
		{"digest type", asUint8},
		{"digest", asDigest},
	}
	association = []part{
		{"usage", asUint8},
		{"selector", asUint8},
		{"matching type", asUint8},
		{"data", asHex},
	}
	key = []part{
		{"flags", asUint16},
		{"protocol", asUint8},
		{"algorithm", asAlgorithm},
		{"key", asBase64},
	}
	signature = []part{
		{"type covered", asType},
		{"algorithm", asAlgorithm},
		{"labels", asUint8},
		{"original TTL", asPeriod},
		{"expiration", asMoment},
		{"inception", asMoment},
		{"key tag", asUint16},
		{"signer", asName},
		{"signature", asBase64},
	}
	service = []part{
		{"priority", asUint16},
		{"target", asName},
		{"parameters", asParameters},
	}
)
