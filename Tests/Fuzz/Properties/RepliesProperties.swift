// SPDX-License-Identifier: GPL-2.0-or-later
// Replies of RTPProxy: a port is a port, an address is one, a figure is one that was asked for, and only the cookie of a
// command brings it a reply.
//
// Input: one reply; read line by line, what arrives for an exchange, `@` and a digit standing for a command's cookie.

import Bytes
import ControlProtocol
import Transport

@testable import CallControl

final class RepliesProperties: Properties {
    private var exchange = Exchange()
    private var cookies = CookieSource()
    private static let commands = 4

    func check(_ input: [UInt8]) throws(Broken) {
        try checkForms(input, input.span.all)
        if input.count > 2 { try checkForms(input, ByteRange(start: 1, count: input.count - 2)) }
        try checkFigures(input)
        try checkExchange(input)
    }

    private func checkForms(_ input: [UInt8], _ range: ByteRange) throws(Broken) {
        let bytes = input.span
        let media = MediaReply.parse(bytes, range)
        if case .address(let port, let address, let family) = media {
            try require(port > 0, "port 0")
            if !address.isEmpty {
                try require(address.start >= range.start && address.end <= range.end, "an address outside the reply")
                try require(AddressText.family(bytes, address) == family, "an address of another family")
                try require(bytes.firstUnfitForWord(in: address) == nil, "an address that is no word")
            }
        }
        let plain = PlainReply.parse(bytes, range)
        // What becomes $rtpstat is printable.
        if input[range.start..<range.end].allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) {
            // What is an error to one command is one to all.
            if case .error(let code) = media { try require(plain == .error(code), "an error of media alone") }
            if case .error(let code) = plain {
                try require(media == .error(code), "an error, but not of media")
                try require(code.number <= 999_999, "an error of seven digits")
            }
            if media == .noSession { try require(plain == .done, "no number") }
        } else {
            try require(plain == .malformed, "a plain reply that is not printable")
        }
        try checkJoined(input, range)
        for position in 0..<Probe.count {
            guard let capability = Probe.capability(position, bytes, range) else { continue }
            try require(capability.rawValue.nonzeroBitCount <= 1, "one answer, several capabilities")
        }
    }

    /// What of an answer to sub-commands becomes a description is what may stand there, and lies within the answer.
    private func checkJoined(_ input: [UInt8], _ range: ByteRange) throws(Broken) {
        let bytes = input.span
        var joined = JoinedReply(bytes, range)
        try require(joined.head.start >= range.start && joined.head.end <= range.end, "a head outside the reply")
        var hasFailed = false
        for _ in 0..<JoinedCommand.maximumCount {
            switch joined.next(in: bytes) {
            case .success: try require(!hasFailed, "a success behind a failure")
            case .failure: hasFailed = true
            case .value(let value):
                try require(!hasFailed, "a value behind a failure")
                try require(!value.isEmpty && value.start >= range.start && value.end <= range.end, "outside the reply")
                if let dtls = DTLSReply(bytes, value) {
                    try require(dtls.fingerprint.count == 95, "a fingerprint of another length")
                    for byte in input[dtls.fingerprint.start..<dtls.fingerprint.end] {
                        try require(byte == 0x3A || isDigit(byte) || "ABCDEFabcdef".utf8.contains(byte), "no digit")
                    }
                }
                if let ice = ICEReply(bytes, value) {
                    for range in [ice.ufrag, ice.password] {
                        try require((4...256).contains(range.count), "a length that ICE does not know")
                        for byte in input[range.start..<range.end] {
                            let letter = lowercased(byte)
                            try require(
                                isDigit(byte) || byte == 0x2B || byte == 0x2F || letter >= 0x61 && letter <= 0x7A,
                                "a character that ICE does not know")
                        }
                    }
                }
            }
        }
    }

    private func checkFigures(_ input: [UInt8]) throws(Broken) {
        let named = FigureSet.asked(0, of: [.namedFigures, .lostPackets])
        let jitter = FigureSet.asked(1, of: [.namedFigures, .jitter])
        for asked in [FigureSet.none, named, jitter, .all] {
            var values = FigureValues()
            let reply = FigureReply.parse(input.span, input.span.all, asked: asked, into: &values)
            let allowed = asked.isEmpty ? FigureSet.plain : asked
            try require(values.present.intersection(allowed) == values.present, "a figure that nobody asked for")
            if case .taken = reply {} else { try require(values.present.isEmpty, "a refusal with figures") }
            for place in 0..<Figure.count {
                guard let figure = Figure(rawValue: place), let value = values[figure] else { continue }
                try require(value <= UInt64(Int64.max), "a figure of more than 63 bits")
            }
        }
    }

    /// Lines as datagrams of an exchange: what a command's cookie brings first is its reply for good.
    private func checkExchange(_ input: [UInt8]) throws(Broken) {
        exchange.begin(now: 0, budget: 1_000_000_000, firstRetransmission: 1_000_000)
        let question = Array("V".utf8)
        for _ in 0..<Self.commands { try? exchange.add(question.span, cookies: &cookies) }
        var sent = 0
        while exchange.due(now: 0) != nil { sent += 1 }
        try require(sent == Self.commands, "\(sent) commands were sent")
        var replies = [[UInt8]?](repeating: nil, count: Self.commands)
        for (now, line) in input.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            var datagram = Array(line)
            var command: Int?
            if datagram.count >= 2, datagram[0] == UInt8(ascii: "@"), isDigit(datagram[1]) {
                let index = Int(datagram[1] - 0x30) % Self.commands
                let cookie = exchange.outgoing[exchange.wire(index).start...].prefix { $0 != 0x20 }
                command = index
                datagram.replaceSubrange(0..<2, with: cookie)
            }
            let wasRunning = exchange.phase == .running
            let arrival = exchange.receive(datagram: datagram.span, now: UInt64(now))
            switch arrival {
            case .foreign: break
            case .matched(let index):
                try require(wasRunning && index == command && replies[index] == nil, "a reply to no command")
                replies[index] = reply(index)
                var came = datagram.dropFirst(CookieSource.length + 1)
                while came.last == 0x0A || came.last == 0x0D { came.removeLast() }
                try require(!came.isEmpty && replies[index].map { came.elementsEqual($0) } == true, "not what came")
            case .duplicate(let index): try require(replies[index] != nil && index == command, "no duplicate")
            case .malformed(let index): try require(index == command, "whose malformed reply")
            }
            try require(exchange.answered == replies.count { $0 != nil }, "\(exchange.answered) are answered")
        }
        for (index, known) in replies.enumerated() {
            try require(reply(index) == known, "a reply has changed")
        }
    }

    private func reply(_ index: Int) -> [UInt8]? {
        exchange.reply(index).map { Array(exchange.incoming[$0.start..<$0.end]) }
    }
}
