// SPDX-License-Identifier: GPL-2.0-or-later
// `IN IP4 <address>`: the end of `c=` and `o=` lines.

internal import Bytes

/// Where family and address stand in a `c=` or `o=` line.
struct ConnectionField {
    /// `IP4` or `IP6`.
    let familyToken: ByteRange
    /// The family that the token names.
    let tokenFamily: AddressFamily
    /// The address with its `/<ttl>` and `/<number>`, if any: what a new address takes the place of.
    let addressField: ByteRange
    /// The address alone.
    let address: ByteRange
    /// The family of the address itself where it is numeric, else that of the token.
    let family: AddressFamily
    /// Whether the address is numeric.
    let isNumeric: Bool
    /// Whether the address is the null address: hold.
    let isNull: Bool

    /// Reads the value of a `c=` line: `IN`, `IP4` or `IP6` and an address (RFC 8866 section 5.7), with any number of
    /// blanks between. Further words are none of ours. Throws what is wrong with any other.
    init(connection bytes: Span<UInt8>, _ value: ByteRange) throws(SDPError) {
        var fields = FieldCursor(in: value)
        guard let network = fields.next(in: bytes) else { throw .badConnection }
        guard bytes.equalsIgnoringCase(network, "IN") else { throw .otherNetwork }
        guard let type = fields.next(in: bytes), let address = fields.next(in: bytes),
            let field = ConnectionField(bytes, network, type, address)
        else { throw .badConnection }
        self = field
    }

    /// Reads the value of an `o=` line: its last three words are `IN`, `IP4` or `IP6` and an address (RFC 8866
    /// section 5.2); else nil. Phones leave words before these out, or write more: nobody needs them for media.
    init?(origin bytes: Span<UInt8>, _ value: ByteRange) {
        var fields = FieldCursor(in: value)
        var network = ByteRange.empty
        var type = ByteRange.empty
        var address = ByteRange.empty
        while let field = fields.next(in: bytes) {
            network = type
            type = address
            address = field
        }
        self.init(bytes, network, type, address)
    }

    private init?(_ bytes: Span<UInt8>, _ network: ByteRange, _ type: ByteRange, _ field: ByteRange) {
        guard bytes.equals(network, "IN") else { return nil }
        if bytes.equals(type, "IP4") {
            tokenFamily = .ipv4
        } else if bytes.equals(type, "IP6") {
            tokenFamily = .ipv6
        } else {
            return nil
        }
        let addressEnd = bytes.firstIndex(of: UInt8(ascii: "/"), in: field) ?? field.end
        address = ByteRange(from: field.start, to: addressEnd)
        guard !address.isEmpty else { return nil }
        familyToken = type
        addressField = field
        let numeric = AddressText.family(bytes, address)
        family = numeric ?? tokenFamily
        isNumeric = numeric != nil
        isNull = isNumeric && AddressText.isNull(bytes, address)
    }
}
