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
        guard network.count == 2,
            bytes.word(network) | ShortWord.smallLetters(2) == ShortWord.internet | ShortWord.smallLetters(2)
        else { throw .otherNetwork }
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
        guard network.count == 2, bytes.word(network) == ShortWord.internet, type.count == 3 else { return nil }
        switch bytes.word(type) {
        case ShortWord.ipv4: tokenFamily = .ipv4
        case ShortWord.ipv6: tokenFamily = .ipv6
        default: return nil
        }
        familyToken = type
        addressField = field
        var numeric = AddressText.family(bytes, field)
        if numeric != nil {
            address = field
        } else {
            let slash = bytes.firstIndex(of: UInt8(ascii: "/"), in: field)
            address = ByteRange(from: field.start, to: slash ?? field.end)
            guard !address.isEmpty else { return nil }
            if slash != nil { numeric = AddressText.family(bytes, address) }
        }
        family = numeric ?? tokenFamily
        isNumeric = numeric != nil
        isNull = isNumeric && AddressText.isNull(bytes, address)
    }
}

/// Words of up to eight bytes as `Span.word` gives them, the first byte lowest.
enum ShortWord {
    /// `IN`
    static var internet: UInt64 { 0x4E49 }
    /// `IP4`
    static var ipv4: UInt64 { 0x34_5049 }
    /// `IP6`
    static var ipv6: UInt64 { 0x36_5049 }
    /// `audio`
    static var audio: UInt64 { 0x6F_6964_7561 }
    /// `rtp/avp`, `rtp/savp`, `rtp/avpf`
    static var avp: UInt64 { 0x70_7661_2F70_7472 }
    static var savp: UInt64 { 0x7076_6173_2F70_7472 }
    static var avpf: UInt64 { 0x6670_7661_2F70_7472 }
    /// What makes small letters of the capitals of one of these three, and leaves the slash.
    static var smallLettersOfProfile: UInt64 { 0x2020_2020_0020_2020 }

    /// What makes small letters of `count` capitals, 1 to 8.
    static func smallLetters(_ count: UInt64) -> UInt64 { 0x2020_2020_2020_2020 &>> (64 &- 8 &* count) }
}
