// SPDX-License-Identifier: GPL-2.0-or-later
// URLs of RTPProxies: what is taken names a host or a path within it, and says the same written down again.
//
// Input: a URL. No name is looked up.

import Bytes
import Transport

final class URLProperties: Properties {
    func check(_ input: [UInt8]) throws(Broken) {
        let alone = parse(input, input.span.all)
        // Offsets count from the URL, wherever it stands.
        let amid = parse([0x3A, 0x2F] + input + [0x3A, 0x31], ByteRange(start: 2, count: input.count))
        try require(alone == amid, "the bytes around it matter")
        guard case .success(let url) = alone else { return }
        try require(input.count <= NodeURL.maximumLength, "\(input.count) bytes")
        try require(input.span.firstUnfitForWord(in: input.span.all) == nil, "no word")
        try require(url.target.start >= 0 && url.target.end <= input.count, "\(url.target)")
        let target = Array(input[url.target.start..<url.target.end])
        try require(!target.isEmpty, "no target")
        if url.scheme.isUnix {
            try require(url.port == 0 && target.count <= NodeURL.maximumPathLength, "a path of \(target.count) bytes")
        } else {
            try require(url.port > 0 && target.count <= NodeURL.maximumHostLength, "a host of \(target.count) bytes")
        }
        try checkAddress(input, url)
        try checkAgain(url, target)
    }

    private func parse(_ bytes: [UInt8], _ range: ByteRange) -> Result<NodeURL, NodeURLError> {
        do throws(NodeURLError) {
            return .success(try NodeURL(bytes.span, range))
        } catch {
            return .failure(error)
        }
    }

    /// An address in digits has the family of the scheme, and survives as words of shared memory.
    private func checkAddress(_ input: [UInt8], _ url: NodeURL) throws(Broken) {
        guard let address = Resolver.numeric(input.span, url) else {
            let family = AddressText.family(input.span, url.target)
            let isIPv6 = family == .ipv6 && url.scheme.isIPv6
            try require(!isIPv6, "an address that is none")
            return
        }
        try require(!url.scheme.isUnix && address.isIPv6 == url.scheme.isIPv6, "an address of another family")
        try require(address.port == url.port, "port \(address.port)")
        try require(SocketAddress(words: address.words) == address, "other words")
    }

    private func checkAgain(_ url: NodeURL, _ target: [UInt8]) throws(Broken) {
        var text = Array("\(url.scheme):".utf8)
        let isBracketed = !url.scheme.isUnix && target.contains(UInt8(ascii: ":"))
        if isBracketed { text.append(UInt8(ascii: "[")) }
        let start = text.count
        text += target
        if isBracketed { text.append(UInt8(ascii: "]")) }
        if !url.scheme.isUnix { text += Array(":\(url.port)".utf8) }
        guard text.count <= NodeURL.maximumLength else { return }
        guard case .success(let again) = parse(text, text.span.all) else { throw Broken("\(text.shown) is refused") }
        let isSame = again.scheme == url.scheme && again.port == url.port
        try require(isSame && again.target == ByteRange(start: start, count: target.count), text.shown)
    }
}
