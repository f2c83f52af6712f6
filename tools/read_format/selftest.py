"""Published vectors of CRC-32C (RFC 3720, B.4) and BLAKE3 (the official test vectors, first 32 bytes)."""

from . import hashes

CRC_VECTORS = (
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (bytes.fromhex("01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000"),
     0xD9963A56),
)

CONTEXT = "BLAKE3 2019-12-27 16:29:52 test vectors context"

BLAKE3_VECTORS = (  # length of the input, hash, derive_key
    (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"),
    (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c"),
    (64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
     "a5c4a7053fa86b64746d4bb688d06ad1f02a18fce9afd3e818fefaa7126bf73e"),
    (65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee",
     "51fd05c3c1cfbc8ed67d139ad76f5cf8236cd2acd26627a30c104dfd9d3ff8a8"),
    (1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
     "74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea5"),
    (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
     "7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706"),
    (1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
     "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb"),
    (2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
     "7b2945cb4fef70885cc5d78a87bf6f6207dd901ff239201351ffac04e1088a23"),
    (2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
     "2ea477c5515cc3dd606512ee72bb3e0e758cfae7232826f35fb98ca1bcbdf273"),
    (3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2",
     "050df97f8c2ead654d9bb3ab8c9178edcd902a32f8495949feadcc1e0480c46b"),
    (3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3",
     "72613c9ec9ff7e40f8f5c173784c532ad852e827dba2bf85b2ab4b76f7079081"),
    (5120, "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833",
     "7a7acac8a02adcf3038d74cdd1d34527de8a0fcc0ee3399d1262397ce5817f60"),
    (8192, "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63",
     "ad01d7ae4ad059b0d33baa3c01319dcf8088094d0359e5fd45d6aeaa8b2d0c3d"),
    (31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
     "39772aef80e0ebe60596361e45b061e8f417429d529171b6764468c22928e28e"),
)


def crc_faults():
    for data, want in CRC_VECTORS:
        if hashes.crc32c(data) != want:
            yield f"CRC-32C of {data.hex()}: {hashes.crc32c(data):08x}, not {want:08x}"
    data = bytes(i * 7 % 253 for i in range(1000))
    whole = hashes.Crc()(data)
    for remember in (True, False):
        crc = hashes.Crc()
        crc.remember = remember
        for _ in range(2):
            if crc(data) != whole or crc(data[300:], crc(data[:300])) != whole:
                yield "CRC-32C by blocks or in parts is another one"


def blake3_faults():
    for size, plain, derived in BLAKE3_VECTORS:
        data = bytes(i % 251 for i in range(size))
        if hashes.blake3(data).hex() != plain:
            yield f"BLAKE3 of {size} bytes"
        if hashes.derive(CONTEXT, data).hex() != derived:
            yield f"BLAKE3 derive-key of {size} bytes"


def run():
    faults = list(crc_faults()) + list(blake3_faults())
    for line in faults:
        print("selftest:", line)
    if not faults:
        print(f"selftest: {len(CRC_VECTORS)} CRC-32C and {2 * len(BLAKE3_VECTORS)} BLAKE3 vectors right")
    return 1 if faults else 0
