// A call script with every documented name that a basic call needs. It runs as it stands on Node and inside our binary.
const projectcontrol = require( "projectcontrol" )

projectcontrol.codecs = [ "722", "pcma", "pcmu", "ilbc", "2833" ]

projectcontrol.onreg = ( reg ) => {
  console.log( "registered: " + reg )
}

projectcontrol.ondereg = ( reg ) => {
  console.log( "no longer registered: " + reg )
}

projectcontrol.onhangup = ( call ) => {
  console.log( "hung up: " + call.destination )
}

projectcontrol.onnewcall = ( call ) => {

  // what we originate comes through here too
  if( call.originator ) return

  if( !/^1\d\d\d$/.test( call.destination ) ) {
    call.notfound()
    return
  }

  call.onhangup = ( ended ) => {
    console.log( "the caller's call lasted from " + ended.callinfo.epochs.start + " to " + ended.callinfo.epochs.end )
  }

  call.newcall( { "to": { "user": call.destination } } )
}

projectcontrol.directory( "bling.babblevoice.com", [
  { "username": "1000", "secret": "1123654789" },
  { "username": "1003", "secret": "1123654789" }
] )

projectcontrol.run()
