//! The real server's programs loaded for a test: told of the cases' server, nothing pinned, nothing attached.

use super::Outcome;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, PerCpuArray};
use aya::programs::{Program, SchedClassifier, TestRun, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use forward::agent::Reception;
use forward::agent::host::HostServer;
use std::net::IpAddr;

/// The loaded programs.
pub(crate) struct Agent(Ebpf);

impl Agent {
    /// Loads every program; says how many instructions the verifier followed.
    pub(crate) fn load(server: &HostServer) -> (Self, Vec<(String, u32)>) {
        let mut ebpf = EbpfLoader::new().load(dataplane::AGENT_OBJECT).expect("the object opens");
        let mut verified = Vec::new();
        for (name, program) in ebpf.programs_mut() {
            let loaded = match program {
                Program::SchedClassifier(program) => SchedClassifier::load(program),
                Program::SockOps(program) => program.load(),
                Program::CgroupSockAddr(program) => program.load(),
                _ => panic!("{name} is of no known kind"),
            };
            loaded.unwrap_or_else(|error| panic!("{name} is refused: {error:?}"));
            verified.push((name.to_owned(), program.info().unwrap().verified_instruction_count().unwrap_or(0)));
        }
        verified.sort();
        let mut agent = Self(ebpf);
        agent.tell(server);
        (agent, verified)
    }

    fn tell(&mut self, server: &HostServer) {
        for address in &server.directors {
            match address {
                IpAddr::V4(address) => {
                    let mut trie = LpmTrie::<_, [u8; 4], u32>::try_from(self.0.map_mut("DIRECTORS4").unwrap()).unwrap();
                    trie.insert(&Key::new(32, address.octets()), 1, 0).unwrap();
                }
                IpAddr::V6(address) => {
                    let mut trie =
                        LpmTrie::<_, [u8; 16], u32>::try_from(self.0.map_mut("DIRECTORS6").unwrap()).unwrap();
                    trie.insert(&Key::new(128, address.octets()), 1, 0).unwrap();
                }
            }
        }
        for address in &server.virtual_addresses {
            match address {
                IpAddr::V4(address) => {
                    let mut map = HashMap::<_, [u8; 4], u32>::try_from(self.0.map_mut("VIRTUAL4").unwrap()).unwrap();
                    map.insert(address.octets(), 1, 0).unwrap();
                }
                IpAddr::V6(address) => {
                    let mut map = HashMap::<_, [u8; 16], u32>::try_from(self.0.map_mut("VIRTUAL6").unwrap()).unwrap();
                    map.insert(address.octets(), 1, 0).unwrap();
                }
            }
        }
        let mut settings = Array::<_, [u8; 4]>::try_from(self.0.map_mut("SETTINGS").unwrap()).unwrap();
        let [high, low] = 6080_u16.to_be_bytes();
        settings.set(0, [high, low, 254, 253], 0).unwrap();
    }

    /// Runs a program over a frame.
    pub(crate) fn run(&self, program: &str, frame: &[u8]) -> Outcome {
        let mut out = vec![0; frame.len() + 256];
        let context: Vec<u8> = [[0; 9].as_slice(), &[1, 1]].concat().into_iter().flat_map(u32::to_ne_bytes).collect();
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            repeat: 1,
            ctx_in: Some(&context),
            ..Default::default()
        };
        let Some(Program::SchedClassifier(program)) = self.0.program(program) else { panic!("no such program") };
        let result = program.test_run(options).expect("BPF_PROG_TEST_RUN");
        out.truncate(result.data_size_out as usize);
        Outcome { action: result.return_value, bytes: out }
    }

    /// Everything counted, summed over CPUs, by number.
    pub(crate) fn counted(&mut self) -> Vec<u64> {
        let map = PerCpuArray::<_, u64>::try_from(self.0.map_mut("RECEPTION").unwrap()).unwrap();
        (0..Reception::COUNT).map(|index| map.get(&index, 0).unwrap().iter().sum()).collect()
    }
}
