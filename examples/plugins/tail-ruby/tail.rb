# frozen_string_literal: true

# A plugin for Reactor: the trigger `tail` and the action `tail.append`.

$LOAD_PATH.unshift(File.join(__dir__, 'lib'))
require 'fileutils'
require 'json'
require 'reactor/plugin/v1/plugin_services_pb'

PB = Reactor::Plugin::V1
VERSION = '1.0.0'
MOST = 500 # lines of one commit

# What the other side sends in a trigger's call: `start`, then acknowledgements, then nothing more.
class Inbox
  def initialize(requests)
    @lock = Mutex.new
    @changed = ConditionVariable.new
    @waiting = []
    @over = false
    Thread.new { read(requests) }
  end

  # The next request; nil when there will be none, or none within so many seconds.
  def take(seconds = nil)
    @lock.synchronize do
      while @waiting.empty? && !@over
        @changed.wait(@lock, seconds)
        break if seconds
      end
      @waiting.shift
    end
  end

  def over?
    @lock.synchronize { @over }
  end

  private

  def read(requests)
    requests.each { |request| @lock.synchronize { @waiting << request; @changed.signal } }
  rescue GRPC::BadStatus, GRPC::Core::CallError
    nil # cancelled: Reactor stops this trigger
  ensure
    @lock.synchronize { @over = true; @changed.signal }
  end
end

# Something that the caller is told in one sentence.
class Wrong < StandardError
  attr_reader :kind, :retryable

  def initialize(kind, message, retryable: false)
    super(message)
    @kind = kind
    @retryable = retryable
  end
end

# Only below the folders that the operator has opened to flows.
def inside_roots(path, settings)
  roots = settings.fetch('file_roots', [])
  full = File.expand_path(path, roots.first || Dir.pwd)
  folder = File.dirname(full)
  full = File.join(File.realpath(folder), File.basename(full)) if File.directory?(folder)
  allowed = roots.any? { |root| full.start_with?("#{File.exist?(root) ? File.realpath(root) : root}/") }
  raise Wrong.new('tail.denied', "#{path} is outside of the folders that flows may use (file_roots)") unless allowed

  full
end

# The five calls of the protocol.
class Tail < PB::Plugin::Service
  def describe(_request, call)
    admit(call)
    text = PB::Type.new(kind: :TEXT)
    PB::Manifest.new(
      name: 'tail', version: VERSION, doc: 'Lines of a growing file as events, and an action that adds some.',
      types: { 'tail.line' => 'A line was added to a file.' },
      triggers: [PB::Trigger.new(
        kind: 'tail', doc: 'An event for each line that is added to a file.', short: 'path', default_type: 'tail.line',
        config: [
          PB::Field.new(name: 'path', type: text, required: true, doc: 'The file.'),
          PB::Field.new(name: 'every', type: PB::Type.new(kind: :NUMBER, minimum: 0.01, maximum: 3600),
                        default_json: '1.0', doc: 'Seconds between looks.')
        ]
      )],
      actions: [PB::Action.new(
        name: 'tail.append', doc: 'Add a line to a file. Output: `added` (false: an earlier attempt had done it).',
        effect: :WRITE, retry: PB::Retry.new(max: 3, delay: 500),
        params: [
          PB::Field.new(name: 'path', type: text, required: true, doc: 'The file.'),
          PB::Field.new(name: 'line', type: PB::Type.new(kind: :TEXT, longest: 10_000), required: true,
                        doc: 'The line, without its end.')
        ]
      )]
    )
  end

  def ping(_request, call)
    admit(call)
    PB::PingReply.new
  end

  # One trigger, until Reactor cancels the call.
  def run(requests, call)
    admit(call)
    inbox = Inbox.new(requests)
    Enumerator.new do |replies|
      listen(inbox.take.start, inbox, replies)
    rescue Wrong => e
      replies << PB::RunReply.new(lost: PB::Lost.new(reason: e.message))
    end
  end

  # One attempt of one step: log lines, then `output` or `error`.
  def act(request, call)
    admit(call)
    begin
      added = append(request)
      log = PB::Log.new(level: :INFO, message: added ? 'added' : 'was there before')
      [PB::ActReply.new(log: log), PB::ActReply.new(output: PB::Output.new(json: JSON.generate(added: added)))]
    rescue Wrong => e
      [PB::ActReply.new(error: PB::Error.new(kind: e.kind, message: e.message, retryable: e.retryable))]
    end
  end

  private

  # Only who knows the token, and he gets our proof.
  def admit(call)
    raise GRPC::Unauthenticated, 'wrong token' unless call.metadata['reactor-token'] == ENV['REACTOR_PLUGIN_TOKEN']

    call.merge_metadata_to_send('reactor-proof' => ENV.fetch('REACTOR_PLUGIN_PROOF'))
    call.send_initial_metadata
  end

  def listen(start, inbox, replies)
    config = JSON.parse(start.config_json)
    path = inside_roots(config['path'], JSON.parse(start.settings_json))
    offset = JSON.parse(start.saved_json).fetch('offset', 0) # where we were, also before a restart or crash
    offset = check_size(path, offset, replies)
    number = 0
    until inbox.over?
      items, after = read(path, offset)
      unless items.empty?
        number += 1
        batch = PB::Batch.new(number: number, items: items, save_json: JSON.generate(offset: after))
        replies << PB::RunReply.new(batch: batch)
        # Committed: the events, the runs they start, and our place in the file. A source would be acknowledged now.
        ack = inbox.take or return
        raise Wrong.new('tail.bug', 'Reactor acknowledged another batch') unless ack.ack&.batch == number

        offset = after
      end
      replies << PB::RunReply.new(armed: PB::Armed.new)
      inbox.take(config['every']) if items.length < MOST # only a cancellation comes now, and ends the pause
    end
  end

  def check_size(path, offset, replies)
    size = File.size(path)
    return offset if size >= offset

    reason = "#{path} is shorter than what was read of it (#{offset} bytes); it is read from its beginning"
    replies << PB::RunReply.new(gap: PB::Gap.new(reason: reason))
    0
  rescue SystemCallError => e
    raise Wrong.new('tail.read', "#{path} cannot be read: #{e.message}; give the file, or its folder, to this user")
  end

  # Whole lines from `offset` on as events, and where the last one ends.
  def read(path, offset)
    items = []
    File.open(path, 'rb') do |file|
      file.seek(offset)
      while items.length < MOST && (line = file.gets)&.end_with?("\n")
        items << item(line.chomp, offset)
        offset += line.bytesize
      end
    end
    [items, offset]
  rescue SystemCallError => e
    raise Wrong.new('tail.read', "#{path} cannot be read: #{e.message}")
  end

  def item(line, offset)
    metadata = JSON.generate(offset: offset)
    text = line.dup.force_encoding('UTF-8')
    unless text.valid_encoding?
      dead = PB::DeadLetter.new(reason: 'the line is not UTF-8', payload: line, metadata_json: metadata)
      return PB::Item.new(dead: dead)
    end
    PB::Item.new(event: PB::Event.new(data_json: JSON.generate(line: text), metadata_json: metadata))
  end

  # Reactor calls again after a crash or a failed attempt, with the same key: whoever keeps it does nothing twice.
  def append(request)
    params = JSON.parse(request.params_json)
    raise Wrong.new('input', 'line: it has a line break in it; add line by line') if params['line'].include?("\n")

    path = inside_roots(params['path'], JSON.parse(request.settings_json))
    line = "#{params['line']}\t#{request.idempotency_key}\n"
    File.open(path, 'a+:UTF-8') do |file|
      file.flock(File::LOCK_EX)
      file.rewind
      return false if file.each_line.include?(line)

      file.write(line)
    end
    true
  rescue SystemCallError => e
    raise Wrong.new('tail.io', "#{params['path']}: #{e.message}", retryable: true)
  end
end

server = GRPC::RpcServer.new(pool_size: 30, server_args: { 'grpc.max_receive_message_length' => 16 << 20 })
server.add_http2_port("unix:#{ENV.fetch('REACTOR_PLUGIN_SOCKET')}", :this_port_is_insecure)
server.handle(Tail)
Thread.new { server.run }
server.wait_till_running
$stdout.puts JSON.generate(protocol: 1, ready: true) # the one line on stdout; everything else goes to stderr
$stdout.flush
$stdin.read # Reactor's end is closed when it stops, and when it dies
exit!(0)
