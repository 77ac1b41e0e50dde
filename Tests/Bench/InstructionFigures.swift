// SPDX-License-Identifier: GPL-2.0-or-later
// User-space instructions that the module adds to an INVITE, counted by callgrind. Where times depend on the machine and
// on what else it does, these do not.

import Foundation
import TestSupport

extension Figure {
    /// The parts of what is added, as rows below each body's.
    private static let parts: [(name: String, of: KeyPath<Instructions, Int> & Sendable)] = [
        ("added", \.total), ("  the module's own code", \.own), ("  allocators", \.allocator),
        ("  Kamailio and the C library", \.others),
    ]
    /// What the row below them says: that allocator looks at some thousand empty lists for most blocks, or at none,
    /// depending on what start-up has left.
    private static let otherAllocator = "added, with Kamailio's default allocator"

    /// Added by what the offer is like.
    static let instructions = Figure(
        name: "instructions", title: "user-space instructions that the module adds to an INVITE",
        isOnlyByName: true, hasEarlier: true,
        parameters: {
            "1 worker in callgrind, Kamailio's allocator fm, medians of \($0.size(15, quick: 5)) INVITEs with and "
                + "without the module"
        }
    ) { session in
        var rows: [Row] = []
        for body in OfferBody.all {
            rows += parts.map { Row($0.name, "") } + [Row(otherAllocator, "")]
            rows[rows.count - parts.count - 1].label = "\(body.name): \(parts[0].name)"
        }
        for module in session.modulesWithEarlier {
            let measured = zip(
                try session.instructions(module, allocator: "fm"), try session.instructions(module, allocator: nil))
            for (index, (added, otherwise)) in measured.enumerated() {
                let first = index * (parts.count + 1)
                for (part, value) in parts.enumerated() {
                    rows[first + part].add(Double(added[keyPath: value.of]), module)
                }
                rows[first + parts.count].add(Double(otherwise.total), module)
            }
        }
        return rows
    }
}

extension Session {
    /// What a module adds to an INVITE, for each body.
    func instructions(_ module: Module, allocator: String?) throws -> [Instructions] {
        let folder = try TemporaryFolder()
        let dumps = MessageDumps(folder: folder.path)
        return try with(module) {
            KamailioSettings(
                relays: $0.urls(1), workers: 1, patience: 120, allocator: allocator, waitsForOffer: false,
                wrapper: dumps.command)
        } _: { bed in
            let sender = try UDPSocket()
            let kinds = OfferBody.all.flatMap { body in [(body, false), (body, true)] }
            // The first rounds let the worker's memory grow to size.
            let warmUps = 3
            let rounds = warmUps + size(15, quick: 5)
            _ = dumps.count()
            try send(OfferBody.all[0], isOffer: false, number: 0, from: sender, bed)
            let before = dumps.count()
            for round in 0..<rounds {
                for (place, kind) in kinds.enumerated() {
                    try send(kind.0, isOffer: kind.1, number: round * kinds.count + place + 1, from: sender, bed)
                }
            }
            // What a message has taken is written as the next one begins.
            try send(OfferBody.all[0], isOffer: false, number: 0, from: sender, bed)
            guard dumps.count() == before + rounds * kinds.count + 1 else {
                throw HarnessError("\(module.name): callgrind has not counted each INVITE for itself")
            }
            let files = dumps.all.dropFirst(before + 1)
            let medians = try kinds.indices.map { place in
                let some = try stride(from: warmUps * kinds.count + place, to: files.count, by: kinds.count).map {
                    try Instructions(dump: files[files.startIndex + $0], module: module.path)
                }
                return some.sorted { $0.total < $1.total }[some.count / 2]
            }
            return OfferBody.all.indices.map { medians[2 * $0 + 1] - medians[2 * $0] }
        }
    }

    /// Sends an INVITE and takes what becomes of it.
    private func send(
        _ body: OfferBody, isOffer: Bool, number: Int, from sender: UDPSocket, _ bed: Bed
    ) throws {
        let text = body.invite(isOffer ? "offer" : "plain", number: number, local: sender.endpoint.port)
        sender.send(Array(text.utf8), to: Endpoint(.ipv4, bed.kamailio.port))
        guard let (bytes, _) = sender.receive(20_000) else {
            throw HarnessError("\(bed.module.name): an INVITE is lost\n\(bed.kamailio.log.suffix(2000))")
        }
        let forwarded = String(decoding: bytes, as: UTF8.self)
        guard body.isRight(forwarded, isOffer: isOffer) else {
            throw HarnessError("\(bed.module.name): wrongly forwarded:\n\(forwarded)")
        }
    }
}
